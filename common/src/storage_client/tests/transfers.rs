//! Uploads and downloads, whole, broken and damaged.

use super::*;

const CONTENT: &[u8] = b"0123456789";

fn file_of(bytes: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    file
}

#[tokio::test]
async fn an_upload_is_sent_again_and_counted_once() {
    let large: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let server = Server::start(|before, seen| match before {
        0 => Reply::Close,
        1 => answer(503, &[("retry-after", "0")], ""),
        _ => answer(201, &[("etag", &etag(&seen.body))], ""),
    })
    .await;
    let file = file_of(&large);
    let upload = Upload::file(file.path());
    let meter = upload.meter.clone();
    let stored = server.client().put_object("c", "large", upload).await.unwrap();
    assert_eq!((stored.bytes, meter.bytes()), (1_200_000, 1_200_000));
    assert_eq!(stored.etag.as_str(), etag(&large));
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    assert!(seen[2].body == large);
    assert_eq!(seen[2].header("content-length"), "1200000");
    let mtime: f64 = seen[2].header("x-object-meta-mtime").parse().unwrap();
    assert!(mtime > 1e9);
}

#[tokio::test]
async fn an_empty_file_and_bytes_are_uploads_too() {
    let server = Server::start(|_, seen| answer(201, &[("etag", &etag(&seen.body))], "")).await;
    let client = server.client();
    let empty = file_of(b"");
    client
        .put_object("c", "empty", Upload::file(empty.path()))
        .await
        .unwrap();
    let mut upload = Upload::bytes(CONTENT);
    upload.only_if_absent = true;
    client.put_object("c", "bytes", upload).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen[0].header("content-length"), "0");
    assert_eq!(
        (&seen[1].body[..], seen[1].header("if-none-match")),
        (CONTENT, "*")
    );
}

#[tokio::test]
async fn what_is_there_once_only_is_sent_once() {
    let server = Server::start(|before, seen| match before {
        0 => Reply::Close,
        _ => answer(201, &[("etag", &etag(&seen.body))], ""),
    })
    .await;
    let client = server.client();
    let upload = || Upload::stream(Body::full(CONTENT));
    let error = client.put_object("c", "o", upload()).await.unwrap_err();
    assert!(matches!(error.failure, Failure::Unknown(_)), "{error}");
    assert_eq!(server.seen().len(), 1);
    let stored = client.put_object("c", "o", upload()).await.unwrap();
    assert_eq!(stored.bytes, 10);
}

#[tokio::test]
async fn an_upload_that_arrives_as_something_else_has_failed() {
    let server = Server::start(|_, _| answer(201, &[("etag", &etag(b"other"))], "")).await;
    let error = server
        .client()
        .put_object("c", "o", Upload::bytes(CONTENT))
        .await
        .unwrap_err();
    assert!(matches!(error.failure, Failure::Damaged { .. }), "{error}");
    let missing = Upload::file("/nowhere/at all");
    let error = server.client().put_object("c", "o", missing).await.unwrap_err();
    assert!(matches!(error.failure, Failure::Local(_)), "{error}");
    assert!(error.to_string().contains("/nowhere/at all"), "{error}");
}

/// Answers the range that is asked for, of `CONTENT`; breaks off after three bytes the first time.
fn in_parts(before: usize, seen: &server::Seen) -> Reply {
    let etag = etag(CONTENT);
    let Some(range) = seen.header("range").strip_prefix("bytes=") else {
        let first = Bytes::from_static(&CONTENT[..3]);
        return broken_off(200, &[("etag", &etag)], 10, first);
    };
    assert!(before == 0 || seen.header("if-match") == format!("\"{etag}\""));
    let (first, _) = range.split_once('-').unwrap();
    let first: usize = first.parse().unwrap();
    let content_range = format!("bytes {first}-9/10");
    answer(
        206,
        &[("etag", &etag), ("content-range", &content_range)],
        &CONTENT[first..],
    )
}

async fn collected(mut download: Download) -> Result<Vec<u8>, Error> {
    let mut whole = Vec::new();
    while let Some(chunk) = download.chunk().await? {
        whole.extend_from_slice(&chunk);
    }
    Ok(whole)
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_was() {
    let server = Server::start(in_parts).await;
    let client = server.client();
    let download = client.get_object("c", "o", Selection::default()).await.unwrap();
    assert_eq!(download.remaining(), 10);
    assert_eq!(collected(download).await.unwrap(), CONTENT);
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    assert!(seen[1].header("range").ends_with("-9"));
}

#[tokio::test]
async fn the_rest_of_an_earlier_download_is_checked_with_it() {
    let server = Server::start(in_parts).await;
    let client = server.client();
    let rest = |begun: &[u8]| {
        let mut here = Begun::default();
        here.update(begun);
        Selection {
            part: Part::Rest(here),
            if_match: Some(Etag::new(&etag(CONTENT))),
        }
    };
    let download = client.get_object("c", "o", rest(b"01234")).await.unwrap();
    assert_eq!(collected(download).await.unwrap(), b"56789");
    let download = client.get_object("c", "o", rest(b"0x234")).await.unwrap();
    let error = collected(download).await.unwrap_err();
    assert!(matches!(error.failure, Failure::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn an_object_that_changes_meanwhile_is_never_put_together() {
    let server = Server::start(|before, seen| match before {
        0 => in_parts(before, seen),
        _ => Reply::Answer(status(412)),
    })
    .await;
    let client = server.client();
    let download = client.get_object("c", "o", Selection::default()).await.unwrap();
    let error = collected(download).await.unwrap_err();
    assert!(matches!(error.failure, Failure::Changed), "{error}");
}

#[tokio::test]
async fn a_download_that_is_not_the_object_has_failed() {
    let server = Server::start(|_, _| answer(200, &[("etag", &etag(b"another"))], CONTENT)).await;
    let client = server.client();
    let download = client.get_object("c", "o", Selection::default()).await.unwrap();
    let error = collected(download).await.unwrap_err();
    assert!(matches!(error.failure, Failure::Damaged { .. }), "{error}");
    let ignoring = Selection {
        part: Part::Range(2, Some(4)),
        if_match: None,
    };
    let error = client.get_object("c", "o", ignoring).await.unwrap_err();
    assert!(matches!(error.failure, Failure::NotUnderstood(_)), "{error}");
}
