//! Rows of the mirror that were changed in the database: each kind of it is found, mended, and found no more.

use integration_tests::{Client, Server};

use crate::{check, filled, found, meddle, meddle_unchecked};
use integration_tests::cluster::until;

#[tokio::test]
async fn rows_that_were_changed_in_the_database_are_found_and_mended() {
    let server = Server::start().await;
    let client = filled(&server).await;
    let report = check(&server, &["--deep"], 0).await;
    assert_eq!(
        (&report["differences"], &report["objects"]),
        (&0.into(), &5.into())
    );

    meddle(&server, "DELETE FROM stobj WHERE path = X'64656570'").await; // deep
    meddle(&server, "UPDATE stobj SET bytes = 77 WHERE path = X'61'").await; // a
    meddle(&server, "UPDATE stobj SET path = X'79' WHERE path = X'7a'").await; // z is called y
    let expected = [
        "not_in_mirror c/d/e/deep",
        "not_in_mirror c/z",
        "not_in_storage c/y",
        "row c/a",
        // They are told of as they are found: a's bytes are not those that the container has counted.
        "total c",
        "structure c/d/e/",
    ];
    let report = check(&server, &[], 1).await;
    assert_eq!(found(&report), expected);
    assert_eq!(report["repaired"], 0);

    let report = check(&server, &["--repair"], 0).await;
    assert_eq!(found(&report), expected);
    assert_eq!(
        (&report["differences"], &report["repaired"]),
        (&6.into(), &6.into())
    );
    check(&server, &[], 0).await;
    let listed = client.list("c").await.expect(200).entries();
    assert_eq!(listed, ["a", "d/e/deep", "d/f", "marker/", "z"]);
}

/// The objects of [`filled`], with an explicit directory besides.
async fn filled_with_directory(server: &Server) -> Client {
    let client = filled(server).await;
    client.make_directory("c/made/").await.expect(201);
    let put = client.put("c/z", "z").header("x-object-meta-color", "blue");
    put.await.expect(201);
    check(server, &[], 0).await;
    client
}

/// Does each of these, and has it found and mended.
async fn found_and_mended(server: &Server, client: &Client, cases: &[(&str, &[&str])]) {
    for (statement, expected) in cases {
        meddle_unchecked(server, statement).await;
        let report = check(server, &[], 1).await;
        // The numbers of rows are the database's.
        let found: Vec<String> = found(&report)
            .into_iter()
            .map(|of| {
                of.split_once(" row ")
                    .map_or(of.clone(), |(kind, _)| kind.to_owned())
            })
            .collect();
        assert_eq!(&found, expected, "{statement}: {report}");
        assert_eq!(report["repaired"], 0);
        let report = check(server, &["--repair"], 0).await;
        assert_eq!(report["differences"], report["repaired"], "{statement}: {report}");
        let again = check(server, &[], 0).await;
        assert_eq!(again["differences"], 0, "{statement}: {again}");
        let listed = client.list("c").await.expect(200).entries();
        assert_eq!(listed, ["a", "d/e/deep", "d/f", "marker/", "z"], "{statement}");
    }
}

#[tokio::test]
async fn a_row_is_compared_by_everything_that_it_says() {
    let server = Server::start().await;
    let client = filled_with_directory(&server).await;
    let cases: &[(&str, &[&str])] = &[
        ("UPDATE stobj SET etag = X'61' WHERE path = X'61'", &["row c/a"]),
        (
            "UPDATE stobj SET content_type = X'61' WHERE path = X'61'",
            &["row c/a"],
        ),
        (
            "UPDATE stobj SET timestamp = timestamp + 1 WHERE path = X'61'",
            &["row c/a"],
        ),
        (
            "UPDATE stobj SET created = created + 1 WHERE path = X'61'",
            &["row c/a"],
        ),
        (
            "UPDATE stobj SET listing = X'7b7d' WHERE path = X'61'",
            &["row c/a"],
        ),
        (
            "UPDATE stobj SET metadata = NULL WHERE path = X'7a'",
            &["row c/z"],
        ),
        (
            "UPDATE stobj SET metadata = X'61' WHERE path = X'7a'",
            &["row c/z"],
        ),
        ("UPDATE stobj SET state = 1 WHERE path = X'61'", &["row c/a"]),
        (
            "UPDATE stobj SET delete_at = 99999999999999999 WHERE path = X'61'",
            &["row c/a", "total c"],
        ),
        (
            "UPDATE stobj SET bytes = 5 WHERE path = X'6d61726b65722f'",
            &["row c/marker/", "total c/marker/"],
        ),
        (
            "UPDATE stobj SET timestamp = 5 WHERE path = X'63'",
            &["container c"],
        ),
        (
            "UPDATE stobj SET created = 5 WHERE path = X'63'",
            &["container c"],
        ),
        (
            "UPDATE stobj SET created = 5 WHERE path = X'415554485f74657374'",
            &["row AUTH_test"],
        ),
        (
            "UPDATE stobj SET state = 1 WHERE path = X'415554485f74657374'",
            &["row AUTH_test"],
        ),
    ];
    found_and_mended(&server, &client, cases).await;
}

#[tokio::test]
async fn totals_and_explicit_directories_are_compared_both_ways() {
    let server = Server::start().await;
    let client = filled_with_directory(&server).await;
    let cases: &[(&str, &[&str])] = &[
        (
            "UPDATE stobj SET sub_objects = 99 WHERE path = X'642f'",
            &["total c", "total c/d/"],
        ),
        (
            "UPDATE stobj SET sub_bytes = 0 WHERE path = X'652f'",
            &["total c/d/", "total c/d/e/"],
        ),
        (
            "UPDATE stobj SET sub_expiring = 1 WHERE path = X'63'",
            &["total AUTH_test", "total c"],
        ),
        (
            "UPDATE stobj SET sub_bytes = 1 WHERE path = X'415554485f74657374'",
            &["total AUTH_test"],
        ),
        // d/, which objects keep, and made/, which nothing else does.
        (
            "UPDATE stobj SET explicit = 1 WHERE path = X'642f'",
            &["directory c/d/"],
        ),
        (
            "UPDATE stobj SET explicit = 0 WHERE path = X'6d6164652f'",
            &["directory c/made/", "structure c/made/"],
        ),
        (
            "UPDATE stobj SET created = 5 WHERE path = X'6d6164652f'",
            &["directory c/made/"],
        ),
        (
            "DELETE FROM stobj WHERE path = X'6d6164652f'",
            &["directory c/made/"],
        ),
    ];
    found_and_mended(&server, &client, cases).await;
    let tree = client.get("c").query("tree", "true").await.expect(200).json();
    assert_eq!(tree["objects"], 5);
    let names: Vec<_> = tree["children"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| of["name"].clone())
        .collect();
    assert_eq!(names, ["a", "d/", "made/", "marker/", "z"]);
}

#[tokio::test]
async fn rows_that_are_no_tree_are_found_and_taken_out() {
    let server = Server::start().await;
    let client = filled_with_directory(&server).await;
    let cases: &[(&str, &[&str])] = &[
        // A parent that is not there.
        (
            "UPDATE stobj SET parent_id = 999999999 WHERE path = X'64656570'",
            &["not_in_mirror c/d/e/deep", "structure", "structure c/d/e/"],
        ),
        // d/ lies in d/e/, which lies in it.
        (
            "UPDATE stobj SET parent_id = (SELECT id FROM (SELECT id FROM stobj WHERE path = X'652f') AS it) \
             WHERE path = X'642f'",
            &[
                "not_in_mirror c/d/e/deep",
                "not_in_mirror c/d/f",
                "total c",
                "structure",
                "structure",
                "structure",
                "structure",
            ],
        ),
        // A slash in the midst of a segment, and one at the end of a file's.
        (
            "UPDATE stobj SET path = X'782f79' WHERE path = X'61'",
            &["not_in_mirror c/a", "structure c/x/y"],
        ),
        // What is no text.
        (
            "UPDATE stobj SET path = X'61ff' WHERE path = X'61'",
            &["not_in_mirror c/a", "structure c/a\u{fffd}"],
        ),
        // A file in a file.
        (
            "UPDATE stobj SET parent_id = (SELECT id FROM (SELECT id FROM stobj WHERE path = X'61') AS it) \
             WHERE path = X'7a'",
            &["not_in_mirror c/z", "total c", "structure c/az"],
        ),
        (
            "UPDATE stobj SET type = 2 WHERE path = X'61'",
            &["row c/a", "total c", "structure c/a"],
        ),
        (
            "UPDATE stobj SET type = 4 WHERE path = X'652f'",
            &[
                "not_in_mirror c/d/e/deep",
                "total c/d/",
                "structure c/d/e/",
                "structure c/d/e/deep",
            ],
        ),
        (
            "UPDATE stobj SET account_id = account_id + 1 WHERE path = X'61'",
            &["row c/a", "structure c/a"],
        ),
        (
            "UPDATE stobj SET seq = 9000000000000000000 WHERE path = X'61'",
            &["structure c/a"],
        ),
    ];
    found_and_mended(&server, &client, cases).await;
    if server.built().own_database().await.is_none() {
        // Only SQLite keeps a text where bytes belong, when nobody looks.
        let text = "UPDATE stobj SET path = 'a' WHERE path = X'61'";
        found_and_mended(
            &server,
            &client,
            &[(text, &["not_in_mirror c/a", "structure c/a"])],
        )
        .await;
    }
}

#[tokio::test]
async fn a_container_that_the_mirror_lost_is_filled_again() {
    let server = Server::start().await;
    let client = filled_with_directory(&server).await;
    meddle(&server, "DELETE FROM stobj WHERE path = X'63'").await;
    let report = check(&server, &["--repair"], 0).await;
    let found = found(&report);
    assert!(found.contains(&"container c".to_owned()), "{report}");
    assert!(found.contains(&"directory c/made/".to_owned()), "{report}");
    assert_eq!(
        found.iter().filter(|of| of.starts_with("not_in_mirror")).count(),
        5
    );
    let again = check(&server, &[], 0).await;
    assert_eq!(again["differences"], 0, "{again}");
    let listed = client.list("c").await.expect(200).entries();
    assert_eq!(listed, ["a", "d/e/deep", "d/f", "marker/", "z"]);
}

#[tokio::test]
async fn a_row_without_a_name_keeps_nobody_from_the_others() {
    let server = Server::start().await;
    let client = filled(&server).await;
    check(&server, &[], 0).await;
    let found = async |paths: &str| {
        let search = client.get("c").query("search", "e").query("paths", paths);
        let page = search.await.expect(200).json();
        let results = page["results"].as_array().unwrap();
        let names = results.iter().map(|result| result["name"].as_str().unwrap());
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    let all = ["deep", "e/", "marker/"];
    assert_eq!(found("true").await, all);
    // What lies in d/ has no whole name any more.
    meddle_unchecked(&server, "UPDATE stobj SET path = X'64ff2f' WHERE path = X'642f'").await;
    assert_eq!(found("true").await, ["marker/"]);
    assert_eq!(found("false").await, all);
    let tree = client.get("c").query("tree", "true").query("depth", "9");
    let tree = tree.await.expect(200).json();
    let shown = tree["children"].as_array().unwrap().iter();
    let shown: Vec<_> = shown.map(|node| node["name"].as_str().unwrap()).collect();
    assert_eq!(shown, ["a", "marker/", "z"]);
    for words in ["a search leaves a row out", "a tree leaves rows out"] {
        let told = || async {
            let mut processes = server.processes();
            processes.any(|process| !process.log().lines_with(words).is_empty())
        };
        until(words, told).await;
    }
    check(&server, &["--repair"], 0).await;
    until("all is found again", || async { found("true").await == all }).await;
}
