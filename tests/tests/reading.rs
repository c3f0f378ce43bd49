//! Ranges and conditions of GET and HEAD.

use integration_tests::{Client, Server, etag_of};

const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyz";

async fn with_alphabet(server: &Server) -> Client {
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    client
        .put("c/o", ALPHABET)
        .header("content-type", "text/x; v=1")
        .await
        .expect(201);
    client
}

#[tokio::test]
async fn one_range_is_206() {
    let server = Server::start().await;
    let client = with_alphabet(&server).await;
    for (range, content_range, body) in [
        ("bytes=0-4", "bytes 0-4/26", "abcde"),
        ("bytes=20-", "bytes 20-25/26", "uvwxyz"),
        ("bytes=-3", "bytes 23-25/26", "xyz"),
        ("bytes=-100", "bytes 0-25/26", ALPHABET),
        ("bytes=24-100", "bytes 24-25/26", "yz"),
        ("BYTES = 1 - 2", "bytes 1-2/26", "bc"),
    ] {
        let get = client
            .get("c/o")
            .header("range", range)
            .await
            .expect(206)
            .expect_body(body);
        get.expect_header("content-range", content_range)
            .expect_header("etag", &etag_of(ALPHABET.as_bytes()))
            .expect_header("content-length", &body.len().to_string())
            .expect_header("content-type", "text/x; v=1");
    }
}

#[tokio::test]
async fn several_ranges_come_in_parts() {
    let server = Server::start().await;
    let client = with_alphabet(&server).await;
    let get = client
        .get("c/o")
        .header("range", "bytes=0-1,100-,-2")
        .await
        .expect(206);
    let boundary = get
        .header("content-type")
        .strip_prefix("multipart/byteranges;boundary=");
    let boundary = boundary.expect("the parts have a boundary").to_owned();
    let part = |range, body| {
        format!(
            "--{boundary}\r\nContent-Type: text/x; v=1\r\nContent-Range: bytes {range}/26\r\n\r\n{body}\r\n"
        )
    };
    let wanted = format!("{}{}--{boundary}--", part("0-1", "ab"), part("24-25", "yz"));
    get.expect_no_header("content-range")
        .expect_header("content-length", &wanted.len().to_string())
        .expect_body(wanted);
}

#[tokio::test]
async fn a_range_outside_is_416() {
    let server = Server::start().await;
    let client = with_alphabet(&server).await;
    for range in ["bytes=26-", "bytes=100-200", "bytes=-0"] {
        let get = client.get("c/o").header("range", range).await.expect(416);
        get.expect_header("content-range", "bytes */26")
            .expect_header("etag", &etag_of(ALPHABET.as_bytes()));
    }
}

#[tokio::test]
async fn a_malformed_range_is_ignored() {
    let server = Server::start().await;
    let client = with_alphabet(&server).await;
    for range in [
        "0-4",
        "parsecs=8-12",
        "bytes=4-2",
        "bytes=a-b",
        "bytes=",
        "bytes=-",
        "bytes=1-2;3-4",
    ] {
        client
            .get("c/o")
            .header("range", range)
            .await
            .expect(200)
            .expect_body(ALPHABET);
    }
    client
        .head("c/o")
        .header("range", "bytes=0-4")
        .await
        .expect(200)
        .expect_header("content-length", "26");
}

#[tokio::test]
async fn too_many_ranges_are_416() {
    let server = Server::start().await;
    let client = with_alphabet(&server).await;
    let many: Vec<_> = (0..51).map(|_| "1-2").collect();
    for ranges in [many.join(","), "0-9,1-10,2-11,3-12".to_owned()] {
        client
            .get("c/o")
            .header("range", &format!("bytes={ranges}"))
            .await
            .expect(416);
    }
}

#[tokio::test]
async fn an_empty_object_has_no_bytes_to_range_over() {
    let server = Server::start().await;
    let client = with_alphabet(&server).await;
    client.put("c/empty", "").await.expect(201);
    client
        .get("c/empty")
        .header("range", "bytes=0-4")
        .await
        .expect(416);
    client
        .get("c/empty")
        .header("range", "bytes=-4")
        .await
        .expect(200)
        .expect_body("");
}

#[tokio::test]
async fn conditions_are_judged_in_their_order() {
    let server = Server::start().await;
    let client = with_alphabet(&server).await;
    let head = client.head("c/o").await.expect(200);
    let (etag, modified) = (head.header("etag"), head.header("last-modified"));
    let past = "Tue, 01 Jan 2013 00:00:00 GMT";
    let future = "Fri, 01 Jan 2100 00:00:00 GMT";
    let lists = format!("\"nonsense\", \"{etag}\"");
    for (conditions, status) in [
        (vec![("if-none-match", etag)], 304),
        (vec![("if-none-match", "*")], 304),
        (vec![("if-none-match", lists.as_str())], 304),
        (vec![("if-none-match", "nonsense")], 200),
        (vec![("if-match", etag)], 200),
        (vec![("if-match", "*")], 200),
        (vec![("if-match", lists.as_str())], 200),
        (vec![("if-match", "nonsense")], 412),
        (vec![("if-modified-since", modified)], 304),
        (vec![("if-modified-since", future)], 304),
        (vec![("if-modified-since", past)], 200),
        (vec![("if-unmodified-since", modified)], 200),
        (vec![("if-unmodified-since", past)], 412),
        (vec![("if-modified-since", "not a date")], 200),
        (vec![("if-none-match", etag), ("if-match", "nonsense")], 304),
        (vec![("if-match", "nonsense"), ("if-modified-since", future)], 412),
        (
            vec![("if-modified-since", "Tuesday, 01-Jan-13 00:00:00 GMT")],
            200,
        ),
        (vec![("if-unmodified-since", "Tue Jan  1 00:00:00 2013")], 412),
    ] {
        for mut request in [client.get("c/o"), client.head("c/o")] {
            for (name, value) in &conditions {
                request = request.header(name, value);
            }
            let response = request.await.expect(status);
            if status != 200 {
                response.expect_header("etag", etag).expect_body("");
            }
        }
    }
    client.get("c/none").header("if-match", "*").await.expect(412);
    client
        .get("c/none")
        .header("if-none-match", "*")
        .await
        .expect(404);
}
