//! What a client is told when what it sent is no request.
//!
//! hyper answers by itself then, with a bare status. The client gets the same status, a page and a transaction id; and
//! Swift's own answer when the request line held bytes that are not UTF-8, which hyper takes for no address at all.

use std::sync::LazyLock;

use common::Outcome;
use http::StatusCode;
use middleware::protocol::catch_errors::TransactionIds;

/// How hyper's own answers go on behind the status. Ours never do: their first header is another.
const HYPER_HEAD: &[u8] = b"\r\nConnection: close\r\nContent-Length: 0\r\n";
const STATUS: std::ops::Range<usize> = 9..12;

static IDS: LazyLock<TransactionIds> = LazyLock::new(|| TransactionIds::new(String::new()));

/// What to write in the place of `written`, when that is an answer of hyper's own. `is_not_utf8`: the head held
/// bytes that are not.
pub(super) fn instead_of(written: &[u8], is_not_utf8: bool) -> Option<Vec<u8>> {
    if !written.starts_with(b"HTTP/1.1 4") {
        return None;
    }
    let line = written.iter().take(64).position(|&byte| byte == b'\r')?;
    if !written[line..].starts_with(HYPER_HEAD) {
        return None;
    }
    let status = StatusCode::from_bytes(written.get(STATUS)?).ok()?;
    let error = match status {
        StatusCode::BAD_REQUEST if is_not_utf8 => {
            common::Error::precondition_failed("Invalid UTF8 or contains NULL")
        }
        StatusCode::BAD_REQUEST => Outcome::BadRequest.into(),
        StatusCode::URI_TOO_LONG => Outcome::UriTooLong.into(),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Outcome::HeadersTooLarge.into(),
        _ => return None,
    };
    let status = error.status();
    let page = error.page();
    let (length, id) = (page.len(), IDS.next(None));
    let date = common::Clock::now().http_date();
    let reason = status.canonical_reason().unwrap_or_default();
    let answer = format!(
        "HTTP/1.1 {} {reason}\r\nContent-Type: text/html; charset=UTF-8\r\nContent-Length: {length}\r\n\
         X-Trans-Id: {id}\r\nX-Openstack-Request-Id: {id}\r\nDate: {date}\r\nConnection: close\r\n\r\n{page}",
        status.as_str()
    );
    Some(answer.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instead(status: &str, is_not_utf8: bool) -> Option<String> {
        let written =
            format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\nDate: x\r\n\r\n");
        instead_of(written.as_bytes(), is_not_utf8).map(|answer| String::from_utf8(answer).unwrap())
    }

    #[test]
    fn answers_of_hyper_get_a_page_and_an_id() {
        let answer = instead("400 Bad Request", false).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
        assert!(answer.contains("X-Trans-Id: tx"), "{answer}");
        let (head, page) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("Content-Length: {}\r\n", page.len())),
            "{answer}"
        );
        assert!(
            instead("431 Request Header Fields Too Large", true)
                .unwrap()
                .starts_with("HTTP/1.1 431 ")
        );
    }

    #[test]
    fn bytes_that_are_no_text_get_the_answer_of_swift() {
        let answer = instead("400 Bad Request", true).unwrap();
        assert!(answer.starts_with("HTTP/1.1 412 "), "{answer}");
        assert!(
            answer.ends_with("\r\n\r\nInvalid UTF8 or contains NULL"),
            "{answer}"
        );
    }

    #[test]
    fn answers_of_ours_pass() {
        for ours in [
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n",
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 4",
            "",
        ] {
            assert_eq!(instead_of(ours.as_bytes(), true), None, "{ours}");
        }
    }
}
