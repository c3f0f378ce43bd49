//! Search over names and attributes.

use http::Method;
use integration_tests::cluster::until;
use integration_tests::{Client, Server};
use serde_json::Value;

/// The mirror follows a moment behind, so what is stored is waited for.
async fn store() -> (Server, Client) {
    let server = Server::start().await;
    let client = server.tester().await;
    for container in ["c", "other"] {
        client.put(container, "").await.expect(201);
    }
    for name in ["report-1.pdf", "d/report-2.pdf", "d/report-3.txt", "reports/x"] {
        client.put(&format!("c/{name}"), name).await.expect(201);
    }
    client
        .put("other/report-4.pdf", vec![0; 5000])
        .header("x-object-meta-colour", "blue")
        .header("content-type", "application/x-report")
        .await
        .expect(201);
    until("all is mirrored", || async {
        found(&client, "", &[]).await.len() == 5
    })
    .await;
    (server, client)
}

/// The whole names of what has `report` in its name, and this besides.
async fn found(client: &Client, container: &str, query: &[(&str, &str)]) -> Vec<String> {
    let mut search = client.get(container).query("search", "report");
    for (name, value) in query {
        search = search.query(name, value);
    }
    let page = search.await.expect(200).json();
    let name = |result: &Value| {
        let place = result["container"].as_str().expect("paths are told");
        match result["path"].as_str() {
            Some(path) => format!("{place}/{path}"),
            None => place.to_owned(),
        }
    };
    let results = page["results"].as_array().expect("a list");
    results.iter().map(name).collect()
}

#[tokio::test]
async fn what_is_stored_is_found() {
    let (_server, client) = store().await;
    let found = async |container: &str, query: &[(&str, &str)]| found(&client, container, query).await;
    let mut all = found("", &[]).await;
    all.sort_unstable();
    assert_eq!(
        all,
        [
            "c/d/report-2.pdf",
            "c/d/report-3.txt",
            "c/report-1.pdf",
            "c/reports/",
            "other/report-4.pdf"
        ]
    );
    assert_eq!(found("", &[("type", "directory")]).await, ["c/reports/"]);
    for query in [
        [("size_min", "1000"), ("type", "file")],
        [("meta.colour", "blue"), ("type", "file")],
        [("content_type", "*report"), ("type", "file")],
    ] {
        assert_eq!(found("", &query).await, ["other/report-4.pdf"], "{query:?}");
    }
    assert_eq!(found("other", &[]).await, ["other/report-4.pdf"]);
    assert!(
        found("", &[("modified_before", "2020-01-01T00:00:00")])
            .await
            .is_empty()
    );
    client
        .get("")
        .query("search", "x")
        .query("sort", "colour")
        .await
        .expect(400);
}

#[tokio::test]
async fn pages_follow_one_another() {
    let (_server, client) = store().await;
    let page = async |cursor: &str| {
        let search = client.get("").query("search", "*-?.pdf").query("sort", "-name");
        let search = search
            .query("limit", "2")
            .query("cursor", cursor)
            .query("paths", "false");
        search.await.expect(200).json()
    };
    let first = page("").await;
    assert_eq!(first["results"][0]["name"], "report-4.pdf");
    assert_eq!(first["results"][1]["name"], "report-2.pdf");
    assert!(first["results"][0].get("path").is_none(), "{first}");
    let second = page(first["cursor"].as_str().expect("there are more")).await;
    assert_eq!(second["results"][0]["name"], "report-1.pdf");
    let search = client.get("").query("search", "x").query("cursor", "made up");
    search.await.expect(400);
}

#[tokio::test]
async fn everybody_finds_what_they_may_list() {
    let (server, client) = store().await;
    let stranger = server.login("test2:tester2", "testing2").await;
    let stranger = stranger.at_account("AUTH_test");
    stranger.get("").query("search", "report").await.expect(403);
    stranger.get("c").query("search", "report").await.expect(403);
    client
        .post("c")
        .header("x-container-read", "test2:tester2,.rlistings")
        .await
        .expect(204);
    stranger.get("c").query("search", "report").await.expect(200);
    stranger.get("other").query("search", "report").await.expect(403);
    let program = |client: &Client| {
        let request = client.request_at(Method::POST, "/f/search/find");
        request.body(r#"{"name": "report-4"}"#)
    };
    program(&client).await.expect(403);
    let admin = server.admin().await;
    let page = program(&admin).await.expect(200).json();
    assert_eq!(page["results"][0]["account"], "AUTH_test");
}

#[tokio::test]
async fn what_was_moved_or_removed_is_found_where_it_is() {
    let (_server, client) = store().await;
    client.rename("c/d/", "other/e/").await.expect(201);
    client.remove_directory("c/reports/").await.expect(204);
    until("the search follows", || async {
        found(&client, "c", &[]).await == ["c/report-1.pdf"] && found(&client, "other", &[]).await.len() == 3
    })
    .await;
}

#[tokio::test]
async fn a_search_shows_no_more_than_a_listing_of_what_is_off() {
    let (server, client) = store().await;
    let blue = [("meta.colour", "blue")];
    assert_eq!(found(&client, "other", &blue).await, ["other/report-4.pdf"]);
    let admin = server.admin().await;
    let post = admin.at_account("AUTH_test").post("other/report-4.pdf");
    post.header("x-resource-state", "disable").await.expect(202);
    until("nobody learns its metadata", || async {
        found(&client, "other", &blue).await.is_empty()
    })
    .await;
    assert_eq!(found(&client, "other", &[]).await, ["other/report-4.pdf"]);
}

#[tokio::test]
async fn what_a_rule_keeps_from_somebody_is_not_to_be_found() {
    let (server, _client) = store().await;
    let rules = |rules: &[&str]| -> String {
        let rule = |rule: &&str| format!("[[filter.firewall.rules]]\ndecision = \"deny\"\n{rule}\n");
        rules.iter().map(rule).collect()
    };
    let ask = async |server: &Server, arguments: &str| -> u16 {
        let admin = server.admin().await;
        let request = admin.request_at(Method::POST, "/f/search/find");
        request.body(arguments.to_owned()).await.status()
    };
    let objects = rules(&["methods = [\"GET\", \"HEAD\"]\npaths = [\"AUTH_test/other/report*\"]"]);
    let server = server.stop().await.setting(&objects).start().await;
    for (arguments, expected) in [
        (r#"{"name": "report"}"#, 200),
        (r#"{"name": "report", "account": "AUTH_test"}"#, 200),
        (r#"{"meta": [["colour", "blue"]]}"#, 403),
        (
            r#"{"meta": [["colour", "blue"]], "account": "AUTH_test", "container": "other"}"#,
            403,
        ),
        (
            r#"{"meta": [["colour", "blue"]], "account": "AUTH_test", "container": "c"}"#,
            200,
        ),
    ] {
        assert_eq!(ask(&server, arguments).await, expected, "{arguments}");
    }
    let container = rules(&["methods = [\"GET\"]\npaths = [\"AUTH_test/other\"]"]);
    let mut server = server;
    server.reload(&container).await;
    for (arguments, expected) in [
        (r#"{"name": "report"}"#, 403),
        (r#"{"name": "report", "account": "AUTH_test"}"#, 403),
        (
            r#"{"name": "report", "account": "AUTH_test", "container": "other"}"#,
            403,
        ),
        (
            r#"{"name": "report", "account": "AUTH_test", "container": "c"}"#,
            200,
        ),
    ] {
        assert_eq!(ask(&server, arguments).await, expected, "{arguments}");
    }
    // A rule that names neither methods nor paths holds for everything that its users ask.
    server.reload(&rules(&["users = [\"admin:*\"]"])).await;
    assert_eq!(ask(&server, r#"{"name": "report"}"#).await, 403);
}
