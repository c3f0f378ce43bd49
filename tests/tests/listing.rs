//! Listings: right at the moment after a response, with every parameter.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt as _};
use integration_tests::fault::HeldDatabase;
use integration_tests::listing::Parameters;
use integration_tests::{Client, Server, etag_of};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use tokio::runtime::Runtime;

/// Pieces that make names collide, nest and sort in awkward ways.
fn name() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a", "b", "/", "/", "//", ".", "-", "0", "!", "é", " ", "\u{1}", "~", "-&",
    ]);
    prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat())
}

fn bound() -> impl Strategy<Value = Option<String>> {
    prop::option::weighted(0.4, prop_oneof![name(), "[ab]", "a/", "/"])
}

fn parameters() -> impl Strategy<Value = Parameters> {
    let delimiter = prop::sample::select(vec!["/", "/", "/", "-", "a", "//", "-&"]);
    (
        bound(),
        bound(),
        prop::option::weighted(0.3, prop_oneof![name(), "[ab]/?"]),
        prop::option::weighted(0.5, delimiter.prop_map(ToOwned::to_owned)),
        prop::option::weighted(0.4, 1..6_usize),
        any::<bool>(),
    )
        .prop_map(
            |(marker, end_marker, prefix, delimiter, limit, reverse)| Parameters {
                marker,
                end_marker,
                prefix,
                delimiter,
                limit,
                path: None,
                reverse,
            },
        )
}

/// Puts `names` into a new container.
async fn fill(client: &Client, container: &str, names: &BTreeSet<String>) {
    client.put(container, "").await.expect_one_of(&[201, 202]);
    for name in names {
        client.put(&format!("{container}/{name}"), "").await.expect(201);
    }
}

#[test]
fn listings_agree_with_a_sorted_set_under_any_parameters() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(Server::start());
    agree_with_a_sorted_set(&runtime, &server, 40);
}

/// The tree is read, as the database cannot be up to date.
#[test]
fn listings_agree_with_a_sorted_set_while_the_database_hangs() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(Server::builder().impatient().start());
    let _held = runtime.block_on(HeldDatabase::hold(&server));
    agree_with_a_sorted_set(&runtime, &server, 15);
}

fn agree_with_a_sorted_set(runtime: &Runtime, server: &Server, cases: u32) {
    let client = runtime.block_on(server.tester());
    let mut runner = TestRunner::new_with_rng(
        Config {
            cases,
            failure_persistence: None,
            ..Config::default()
        },
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let case = (
        prop::collection::btree_set(name(), 1..25),
        prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        prop::collection::vec(parameters(), 20),
    );
    let number = std::cell::Cell::new(0);
    let result = runner.run(&case, |(mut names, removed, many)| {
        number.set(number.get() + 1);
        let container = format!("case-{}", number.get());
        runtime.block_on(async {
            fill(&client, &container, &names).await;
            for index in &removed {
                let Some(name) = names.iter().nth(index.index(names.len().max(1))).cloned() else {
                    break;
                };
                client.delete(&format!("{container}/{name}")).await.expect(204);
                names.remove(&name);
            }
            for parameters in &many {
                let response = parameters.apply(client.list(&container)).await.expect(200);
                prop_assert_eq!(
                    response.entries(),
                    parameters.entries(&names),
                    "{:?} of {:?}",
                    parameters,
                    names
                );
            }
            Ok(())
        })
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[tokio::test]
async fn a_path_shows_what_lies_directly_in_it() {
    let server = Server::start().await;
    let client = server.tester().await;
    let names = [
        "/", "/f", "a", "d", "d/", "d/a", "d/e", "d/e/", "d/e/f", "d/g/h/i", "d/z", "é",
    ];
    let names: BTreeSet<_> = names.map(ToOwned::to_owned).into();
    fill(&client, "c", &names).await;
    for path in ["", "/", "d", "d/", "d/e", "d/g", "d/g/h", "none", "d/z"] {
        for (marker, limit) in [(None, None), (Some("d/e".to_owned()), None), (None, Some(2))] {
            let parameters = Parameters {
                path: Some(path.to_owned()),
                marker,
                limit,
                ..Parameters::default()
            };
            let response = parameters.apply(client.list("c")).await.expect(200);
            response.expect_entries(&parameters.entries(&names));
        }
    }
}

#[tokio::test]
async fn listings_of_an_account_agree_with_a_sorted_set() {
    let server = Server::start().await;
    let client = server.tester().await;
    let names: BTreeSet<_> = ["a", "a-b", "a-c", "b", "b-&x", "b-x", "é", "z z"]
        .map(ToOwned::to_owned)
        .into();
    for name in &names {
        client.put(name, "").await.expect(201);
    }
    let text = |text: &str| Some(text.to_owned());
    for marker in [None, text("a"), text("a-"), text("b-x")] {
        for end_marker in [None, text("b"), text("é")] {
            for delimiter in [None, text("-"), text("-&")] {
                for (limit, reverse) in [(None, false), (Some(2), false), (Some(2), true), (None, true)] {
                    let parameters = Parameters {
                        marker: marker.clone(),
                        end_marker: end_marker.clone(),
                        delimiter: delimiter.clone(),
                        limit,
                        reverse,
                        ..Parameters::default()
                    };
                    let response = parameters.apply(client.list("")).await.expect(200);
                    response.expect_entries(&parameters.entries(&names));
                }
            }
        }
    }
}

#[tokio::test]
async fn a_listing_shows_each_change_right_after_its_response() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    for round in 0..30 {
        let (old, new) = (format!("d/{:02}", round), format!("d/{:02}", round + 1));
        client.put(&format!("c/{new}"), "12345").await.expect(201);
        let listing = client.list("c").query("prefix", "d/").await.expect(200);
        assert_eq!(listing.entries().last(), Some(&new));
        client
            .delete(&format!("c/{old}"))
            .await
            .expect_one_of(&[204, 404]);
        client.list("c").await.expect_entries(&[&new]);
        client.list("").query("limit", "1").await.expect_entries(&["c"]);
    }
}

#[tokio::test]
async fn listings_are_right_while_others_write() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    let writers = (0..8).map(|writer| {
        let client = client.clone();
        async move {
            for at in 0..12 {
                let name = format!("{writer}/{at:02}");
                client.put(&format!("c/{name}"), "x").await.expect(201);
                let mine = client
                    .list("c")
                    .query("prefix", &format!("{writer}/"))
                    .await
                    .expect(200);
                let wanted: Vec<_> = (0..=at).map(|at| format!("{writer}/{at:02}")).collect();
                mine.expect_entries(&wanted);
            }
        }
    });
    stream::iter(writers)
        .for_each_concurrent(None, |writer| writer)
        .await;
    let head = client.head("c").await.expect(204);
    assert_eq!(head.number("x-container-object-count"), 96);
    assert_eq!(client.list("c").await.entries().len(), 96);
}

#[tokio::test]
async fn an_entry_has_what_the_object_has() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    client
        .put("c/o", "hello")
        .header("content-type", "text/x-greeting")
        .await
        .expect(201);
    let head = client.head("c/o").await.expect(200);
    let entry = client.list("c").await.expect(200).json()[0].clone();
    assert_eq!(entry["name"], "o");
    assert_eq!(entry["bytes"], 5);
    assert_eq!(entry["hash"], etag_of(b"hello").as_str());
    assert_eq!(entry["content_type"], "text/x-greeting");
    let modified = entry["last_modified"].as_str().unwrap();
    assert_eq!(modified.len(), "2026-01-02T03:04:05.678900".len(), "{modified}");
    assert_eq!(head.header("etag"), etag_of(b"hello"));

    client
        .post("c/o")
        .header("content-type", "text/x-other")
        .await
        .expect(202);
    let entry = client.list("c").await.expect(200).json()[0].clone();
    assert_eq!(entry["content_type"], "text/x-other");
    assert_eq!(entry["hash"], etag_of(b"hello").as_str());
}

#[tokio::test]
async fn each_format_is_as_swift_writes_it() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    client
        .put("c/a&b", "hello")
        .header("content-type", "text/plain")
        .await
        .expect(201);
    client.put("c/d/e", "").await.expect(201);

    let plain = client.get("c").query("delimiter", "/").await.expect(200);
    plain
        .expect_body("a&b\nd/\n")
        .expect_header("content-type", "text/plain; charset=utf-8")
        .expect_header("vary", "Accept");
    let json = client.list("c").query("delimiter", "/").await.expect(200);
    assert_eq!(json.header("content-type"), "application/json; charset=utf-8");
    assert_eq!(json.json()[1], json!({"subdir": "d/"}));
    let modified = json.json()[0]["last_modified"].as_str().unwrap().to_owned();
    let xml = client
        .get("c")
        .query("delimiter", "/")
        .query("format", "xml")
        .await
        .expect(200);
    assert_eq!(xml.header("content-type"), "application/xml; charset=utf-8");
    let wanted = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<container name=\"c\"><object><name>a&amp;b</name>\
         <hash>5d41402abc4b2a76b9719d911017c592</hash><bytes>5</bytes><content_type>text/plain</content_type>\
         <last_modified>{modified}</last_modified></object><subdir name=\"d/\"><name>d/</name></subdir></container>"
    );
    assert_eq!(xml.text(), wanted);
    for (accept, kind) in [
        ("application/json", "application/json"),
        ("text/xml", "text/xml"),
        ("application/xml;q=0.5, text/plain;q=0.4", "application/xml"),
        ("*/*", "text/plain"),
    ] {
        let response = client.get("c").header("accept", accept).await.expect(200);
        response.expect_header("content-type", &format!("{kind}; charset=utf-8"));
    }
    client.get("c").header("accept", "image/png").await.expect(406);
}

#[tokio::test]
async fn an_empty_listing_is_204_only_as_text() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    for path in ["c"] {
        let plain = client.get(path).await.expect(204);
        plain
            .expect_header("content-type", "text/plain; charset=utf-8")
            .expect_body("");
        client.list(path).await.expect(200).expect_body("[]");
        let xml = client.get(path).query("format", "xml").await.expect(200);
        assert!(xml.text().contains("<container name=\"c\""), "{xml:?}");
    }
}

#[tokio::test]
async fn a_limit_is_digits_and_at_most_ten_thousand() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    client.put("c/o", "").await.expect(201);
    for path in ["", "c"] {
        client.list(path).query("limit", "10000").await.expect(200);
        client.list(path).query("limit", "10001").await.expect(412);
        client
            .list(path)
            .query("limit", "0")
            .await
            .expect_entries::<&str>(&[]);
        for ignored in ["", "-1", "many"] {
            let listing = client.list(path).query("limit", ignored).await.expect(200);
            assert_eq!(listing.entries().len(), 1, "{ignored}");
        }
    }
}

#[tokio::test]
async fn pages_put_together_are_the_whole() {
    let server = Server::start().await;
    let client = server.tester().await;
    let names: BTreeSet<_> = (0..60).map(|at| format!("{}/{}/{at}", at % 3, at % 7)).collect();
    fill(&client, "c", &names).await;
    for (delimiter, reverse) in [("", "false"), ("/", "false"), ("", "true"), ("/", "true")] {
        let list = || {
            client
                .list("c")
                .query("reverse", reverse)
                .query("delimiter", delimiter)
        };
        let whole = list().await.expect(200).entries();
        let mut pages: Vec<String> = Vec::new();
        loop {
            let marker = pages.last().cloned().unwrap_or_default();
            let page = list()
                .query("limit", "7")
                .query("marker", &marker)
                .await
                .expect(200);
            if page.entries().is_empty() {
                break;
            }
            pages.extend(page.entries());
        }
        assert_eq!(pages, whole, "delimiter {delimiter:?}, reverse {reverse}");
    }
}
