//! The client library against the store, in what the command line does not show.

use common::Secret;
use common::storage_client::{
    Access, Client, Destination, Entry, Failure, ListingQuery, Login, Outcome, Part, Properties, Selection,
    Upload,
};
use http::HeaderMap;
use integration_tests::cluster::until;
use integration_tests::server::ADMIN_PASSWORD;
use integration_tests::{Cluster, Server};

fn client_at(auth_url: &str, user: &str, key: &str) -> Client {
    let login = Login {
        url: auth_url.to_owned(),
        user: user.to_owned(),
        key: Secret::new(key),
    };
    Client::new(Access::from(login)).expect("the URL will do")
}

async fn with_container(server: &Server) -> Client {
    let client = client_at(&server.auth_url(), "test:tester", "testing");
    assert!(client.put_container("c").await.expect("it can be made"));
    client
}

fn metadata(properties: &Properties) -> Vec<&str> {
    properties.metadata().map(|(name, _)| name).collect()
}

#[tokio::test]
async fn every_verb_of_swift_is_spoken() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    assert!(!client.put_container("c").await.expect("it is there"));
    let mut upload = Upload::bytes("content");
    upload
        .headers
        .insert("x-object-meta-color", "blue".parse().expect("a value"));
    client
        .put_object("c", "d/ä %2F?#", upload)
        .await
        .expect("there is room");
    let stored = client.head("c", "d/ä %2F?#").await.expect("it was stored");
    assert_eq!(
        (stored.content_length(), metadata(&stored)),
        (Some(7), vec!["color"])
    );

    let mut headers = HeaderMap::new();
    headers.insert("x-object-meta-shape", "round".parse().expect("a value"));
    client.post("c", "d/ä %2F?#", headers).await.expect("it is there");
    let posted = client.head("c", "d/ä %2F?#").await.expect("it is there");
    assert_eq!(metadata(&posted), ["shape"]);

    let container = client.head("c", "").await.expect("it is there");
    assert_eq!(container.number("x-container-object-count"), Some(1));
    let account = client.head("", "").await.expect("it is there");
    assert_eq!(account.number("x-account-container-count"), Some(1));

    let error = client.delete("c", "").await.expect_err("it is not empty");
    assert!(error.is_refused_with(409), "{error}");
    client.delete("c", "d/ä %2F?#").await.expect("it is there");
    let error = client.delete("c", "d/ä %2F?#").await.expect_err("it is gone");
    assert!(error.is_not_found(), "{error}");
    client.delete("c", "").await.expect("it is empty");
}

#[tokio::test]
async fn parts_of_copies_are_read() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    client
        .put_object("c", "ä %2F?#", Upload::bytes("content"))
        .await
        .expect("there is room");
    let mut destination = Destination {
        container: "c",
        name: "copy",
        ..Destination::default()
    };
    let copied = client
        .copy_object("c", "ä %2F?#", &destination)
        .await
        .expect("it is there");
    assert_eq!(copied, Outcome::Done { replaced: false });
    destination.keep_existing = true;
    let error = client
        .copy_object("c", "ä %2F?#", &destination)
        .await
        .expect_err("it is there already");
    assert!(error.is_refused_with(412), "{error}");
    let part = Selection {
        part: Part::Range(3, Some(4)),
        if_match: None,
    };
    let mut download = client.get_object("c", "copy", part).await.expect("it was copied");
    let chunk = download.chunk().await.expect("it is whole");
    assert_eq!(chunk.expect("it is not empty"), "te");
    assert!(download.chunk().await.expect("it is whole").is_none());
}

#[tokio::test]
async fn a_listing_of_many_pages_is_whole() {
    let setting = "[constraints]\ncontainer_listing_limit = 7";
    let server = Server::builder().setting(setting).start().await;
    let client = with_container(&server).await;
    let mut names = Vec::new();
    for number in 0..40 {
        let name = format!("{}/{number:02}", number % 3);
        client
            .put_object("c", &name, Upload::bytes(""))
            .await
            .expect("there is room");
        names.push(name);
    }
    names.sort();
    let mut listed = Vec::new();
    let mut pages = client.list_objects("c", ListingQuery::default());
    let mut count = 0;
    while let Some(page) = pages.next_page().await.expect("the container is there") {
        count += 1;
        listed.extend(page.into_iter().filter_map(|entry| match entry {
            Entry::Object(object) => Some(object.name),
            Entry::Directory { .. } => None,
        }));
    }
    assert_eq!((listed, count), (names, 6));
    let mut missing = client.list_objects("missing", ListingQuery::default());
    assert!(
        missing
            .next_page()
            .await
            .expect_err("it is not there")
            .is_not_found()
    );
}

#[tokio::test]
async fn a_token_that_ends_is_nobodys_concern() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    let url = client.storage_url().await.expect("it logged in");
    let old = server.tester().await;
    let admin = client_at(&server.auth_url(), "admin:admin", ADMIN_PASSWORD);
    let revoke = common::functional::user::Revoke {
        account: "test".into(),
        name: "tester".into(),
        token: None,
    };
    admin.call(revoke).await.expect("an administrator may");
    until("the old tokens have ended", || async {
        old.get("").await.status() == 401
    })
    .await;
    client
        .put_object("c", "o", Upload::bytes("x"))
        .await
        .expect("it logs in again");

    let stale = Access::Token {
        storage_url: url,
        token: Secret::new(old.token()),
    };
    let error = Client::new(stale).expect("the URL will do").head("c", "o").await;
    let error = error.expect_err("nobody can renew it");
    assert!(matches!(error.failure, Failure::Unauthorized), "{error}");
}

#[tokio::test]
async fn a_store_that_is_away_for_a_moment_is_waited_for() {
    let cluster = Cluster::new().await;
    let _account_server = cluster.start("account-server").await;
    let mut object_server = cluster.start("object-server").await;
    let proxy = cluster.start("proxy").await;
    let url = format!("http://{}/auth/v1.0", proxy.address());
    let client = client_at(&url, "admin:admin", ADMIN_PASSWORD);
    client.put_container("c").await.expect("it can be made");
    object_server.kill().await;
    let uploading = tokio::spawn(async move {
        let stored = client.put_object("c", "o", Upload::bytes("content")).await;
        (client, stored)
    });
    let is_refused = |line: &String| line.contains("PUT /v1/AUTH_admin/c/o HTTP/1.1 503");
    until("the upload was refused once", || async {
        proxy.log().lines().iter().any(is_refused)
    })
    .await;
    let _object_server = cluster.start("object-server").await;
    let (client, stored) = uploading.await.expect("it does not panic");
    assert_eq!(stored.expect("the server is there again").bytes, 7);
    assert_eq!(
        client
            .head("c", "o")
            .await
            .expect("it was stored")
            .content_length(),
        Some(7)
    );
}
