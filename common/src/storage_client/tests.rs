use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use http::HeaderMap;
use md5::{Digest as _, Md5};

use super::*;
use crate::{Body, Etag};
use server::{Reply, Server, answer, broken_off, quick, status};

mod server;
mod transfers;

fn etag(bytes: &[u8]) -> String {
    Etag::from_md5(Md5::digest(bytes).into()).to_string()
}

#[test]
fn urls_that_will_not_do_are_told() {
    for (url, why) in [
        ("/auth", "http://"),
        ("http://a b", "no URL"),
        ("ftp://a/b", "http://"),
    ] {
        let access = Access::Token {
            storage_url: url.into(),
            token: crate::Secret::new("t"),
        };
        let error = Client::new(access).unwrap_err();
        assert!(matches!(error.failure, Failure::Usage(_)));
        assert!(error.to_string().contains(why), "{url}: {error}");
    }
}

#[tokio::test]
async fn nobody_there_and_a_wrong_key_are_told_apart() {
    let login = Login {
        url: "http://127.0.0.1:1/auth/v1.0".into(),
        user: "a:b".into(),
        key: crate::Secret::new("k"),
    };
    let client = Client::with_settings(login.into(), quick()).unwrap();
    let error = client.log_in().await.unwrap_err();
    assert!(matches!(error.failure, Failure::Unreachable(_)), "{error}");
    let server = Server::start(|_, _| Reply::Close).await;
    let error = server.client_with_key("guess").log_in().await.unwrap_err();
    assert!(matches!(error.failure, Failure::Unauthorized), "{error}");
    assert!(!format!("{error:?}").contains("guess"));
}

#[tokio::test]
async fn a_token_that_ended_is_renewed_once_for_all() {
    let server = Server::start(|_, seen| match seen.header("x-auth-token") {
        "token-1" => Reply::Answer(status(401)),
        _ => Reply::Answer(status(204)),
    })
    .await;
    let client = server.client();
    let heads = join_all((0..20).map(|_| client.head("c", "o"))).await;
    assert!(heads.iter().all(Result::is_ok), "{heads:?}");
    assert_eq!(server.log_ins(), 2);
    let refusing = Server::start(|_, _| Reply::Answer(status(401))).await;
    let error = refusing.client().head("c", "o").await.unwrap_err();
    assert!(matches!(error.failure, Failure::Unauthorized), "{error}");
    assert_eq!((refusing.log_ins(), refusing.seen().len()), (2, 2));
}

#[tokio::test]
async fn what_is_not_now_is_tried_again_when_the_store_says() {
    let server = Server::start(|before, _| match before {
        0 => answer(503, &[("retry-after", "0")], ""),
        _ => Reply::Answer(status(201)),
    })
    .await;
    let destination = Destination {
        container: "c d",
        name: "ä/",
        ..Destination::default()
    };
    let moved = server.client().move_node("c", "d/", &destination).await.unwrap();
    assert_eq!(moved, Outcome::Done { replaced: false });
    let seen = &server.seen()[1];
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str()),
        ("MOVE", "/v1/AUTH_a/c/d/")
    );
    assert_eq!(seen.header("destination"), "c%20d/%C3%A4/");
    assert_eq!(seen.header("overwrite"), "T");

    let busy = Server::start(|_, _| answer(503, &[("retry-after", "3600")], "")).await;
    let error = busy.client().head("c", "").await.unwrap_err();
    assert_eq!(busy.seen().len(), 1, "nobody waits an hour");
    assert!(error.to_string().contains("again in 3600 s"), "{error}");
}

#[tokio::test]
async fn only_what_may_be_done_twice_is_done_twice() {
    let server = Server::start(|_, _| Reply::Close).await;
    let client = server.client();
    let destination = Destination {
        container: "c",
        name: "e/",
        ..Destination::default()
    };
    let error = client.move_node("c", "d/", &destination).await.unwrap_err();
    assert!(matches!(error.failure, Failure::Unknown(_)), "{error}");
    assert_eq!(server.seen().len(), 1);
    let error = client.head("c", "o").await.unwrap_err();
    assert!(matches!(error.failure, Failure::Unreachable(_)), "{error}");
    assert_eq!(server.seen().len(), 1 + 3);

    let forgetful = Server::start(|before, _| match before {
        0 => Reply::Close,
        _ => Reply::Answer(status(404)),
    })
    .await;
    let client = forgetful.client();
    client.delete("c", "o").await.unwrap();
    assert!(client.delete("c", "o").await.unwrap_err().is_not_found());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_store_is_not_waited_for() {
    let server = Server::start(|_, _| Reply::Silence).await;
    let mut settings = quick();
    // Long enough for what is to be seen of each attempt.
    settings.patience.silence = Duration::from_secs(2);
    settings.attempts = 2;
    let access = Access::Token {
        storage_url: format!("http://{}/v1/AUTH_a", server.address()),
        token: crate::Secret::new("t"),
    };
    let client = Client::with_settings(access, settings).unwrap();
    let error = client.head("c", "o").await.unwrap_err();
    assert!(error.to_string().contains("too long"), "{error}");
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_listing_is_read_page_by_page() {
    let server = Server::start(|_, seen| {
        let page = match seen.target.split_once("marker=").map(|(_, marker)| marker) {
            None => {
                r#"[{"name":"a b","hash":"x","bytes":1,"content_type":"t","last_modified":"2026"},{"subdir":"d/"}]"#
            }
            Some("d%2F") => r#"[{"name":"e","hash":"x","bytes":2,"content_type":"t","last_modified":"2026"}]"#,
            Some(_) => return Reply::Answer(status(204)),
        };
        answer(200, &[], page.to_owned())
    })
    .await;
    let query = ListingQuery {
        delimiter: Some("/".into()),
        ..ListingQuery::default()
    };
    let mut pages = server.client().list_objects("c", query);
    let mut names = Vec::new();
    while let Some(page) = pages.next_page().await.unwrap() {
        names.extend(page.iter().map(|entry| entry.marker().to_owned()));
    }
    assert_eq!(names, ["a b", "d/", "e"]);
    assert_eq!(server.seen()[0].target, "/v1/AUTH_a/c?format=json&delimiter=%2F");
    assert!(pages.next_page().await.unwrap().is_none());
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn all_that_is_searched_for_stands_in_the_query() {
    use crate::functional::search::{Find, Kind, Sort};
    let server = Server::start(|_, _| answer(200, &[], r#"{"results": []}"#)).await;
    let find = Find {
        container: Some(crate::name::ContainerName::new("c").unwrap()),
        name: Some("*.jpg".into()),
        kind: Some(Kind::File),
        size_min: Some(7),
        modified_after: crate::Timestamp::parse("12.5"),
        meta: vec![("color".into(), "dark red".into())],
        sort: Sort::SizeDescending,
        paths: true,
        ..Find::default()
    };
    assert!(server.client().search(&find).await.unwrap().results.is_empty());
    assert_eq!(
        server.seen()[0].target,
        "/v1/AUTH_a/c?search=%2A.jpg&type=file&size_min=7&modified_after=0000000012.50000&sort=-size&paths=true\
         &meta.color=dark%20red"
    );
    let error = Server::start(|_, _| answer(200, &[], "a\nb\n"))
        .await
        .client()
        .search(&find)
        .await
        .unwrap_err();
    assert!(matches!(error.failure, Failure::NotUnderstood(_)), "{error}");
}

#[tokio::test]
async fn a_refusal_says_what_the_store_said() {
    let server = Server::start(|before, _| match before {
        0 => answer(413, &[], "Upload exceeds quota."),
        _ => answer(
            403,
            &[],
            "<html><h1>Forbidden</h1><p>Access was denied to this resource.</p></html>",
        ),
    })
    .await;
    let client = server.client();
    let mut headers = HeaderMap::new();
    headers.insert("x-container-read", ".r:*".parse().unwrap());
    let error = client.post("c", "", headers).await.unwrap_err();
    assert!(error.is_refused_with(413));
    assert!(error.to_string().ends_with("Upload exceeds quota."), "{error}");
    assert_eq!(server.seen()[0].header("x-container-read"), ".r:*");
    let error = client.put_container("c").await.unwrap_err();
    assert_eq!(error.to_string(), "c: you may not do this (403 Forbidden)");
}
