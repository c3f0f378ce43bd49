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

/// No more of a request line is looked at; hyper takes no longer one.
const LONGEST_LINE: usize = 64 * 1024;

/// Looks at the first line of a head while it is read.
#[derive(Debug, Default)]
pub(super) struct RequestLine {
    is_complete: bool,
    /// Whether it begins as a method does; what a client of TLS says first does not.
    begins_well: Option<bool>,
    /// From where it is not ASCII any more.
    bytes: Vec<u8>,
}

impl RequestLine {
    /// Takes the next bytes of the connection.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        if self.is_complete || self.bytes.len() > LONGEST_LINE {
            return;
        }
        self.begins_well = self.begins_well.or(bytes.first().map(u8::is_ascii_alphabetic));
        let end = bytes.iter().position(|&byte| byte == b'\n');
        self.is_complete = end.is_some();
        let line = &bytes[..end.unwrap_or(bytes.len())];
        if !(self.bytes.is_empty() && line.is_ascii()) {
            self.bytes.extend(line);
        }
    }

    /// Whether the line is one, but for bytes that are no text.
    pub(super) fn has_no_text(&self) -> bool {
        self.begins_well == Some(true) && std::str::from_utf8(&self.bytes).is_err()
    }
}

/// What to write in the place of `written`, when that is an answer of hyper's own to a head with this line.
pub(super) fn instead_of(written: &[u8], request_line: &RequestLine) -> Option<Vec<u8>> {
    if !written.starts_with(b"HTTP/1.1 4") {
        return None;
    }
    let line = written.iter().take(64).position(|&byte| byte == b'\r')?;
    if !written[line..].starts_with(HYPER_HEAD) {
        return None;
    }
    let status = StatusCode::from_bytes(written.get(STATUS)?).ok()?;
    let error = match status {
        StatusCode::BAD_REQUEST if request_line.has_no_text() => {
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

    fn line(reads: &[&[u8]]) -> RequestLine {
        let mut line = RequestLine::default();
        reads.iter().for_each(|bytes| line.read(bytes));
        line
    }

    fn instead(status: &str, head: &[u8]) -> Option<String> {
        let written =
            format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\nDate: x\r\n\r\n");
        let answer = instead_of(written.as_bytes(), &line(&[head]))?;
        Some(String::from_utf8(answer).unwrap())
    }

    #[test]
    fn answers_of_hyper_get_a_page_and_an_id() {
        // Neither a header nor a body that is not UTF-8 makes the request line so.
        let answer = instead("400 Bad Request", b"PUT /a HTTP/1.1\r\nX: \xff\r\n\r\n\xff").unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
        assert!(answer.contains("X-Trans-Id: tx"), "{answer}");
        let (head, page) = answer.split_once("\r\n\r\n").unwrap();
        let length = format!("Content-Length: {}\r\n", page.len());
        assert!(head.contains(&length), "{answer}");
        let answer = instead("431 Request Header Fields Too Large", b"GET /\xff HTTP/1.1\r\n").unwrap();
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }

    #[test]
    fn bytes_that_are_no_text_get_the_answer_of_swift() {
        let answer = instead("400 Bad Request", b"GET /\xff HTTP/1.1\r\n").unwrap();
        assert!(answer.starts_with("HTTP/1.1 412 "), "{answer}");
        assert!(
            answer.ends_with("\r\n\r\nInvalid UTF8 or contains NULL"),
            "{answer}"
        );
    }

    #[test]
    fn a_line_may_come_in_pieces() {
        assert!(!line(&[b"GET /\xc3", b"\xa4 HTTP/1.1\r\n", b"\xff"]).has_no_text());
        assert!(line(&[b"GET /", b"\xa4\xc3 HTTP/1.1\r\n"]).has_no_text());
        assert!(line(&[b"GET /\xc3 HTTP/1.1\r\n\r\n"]).has_no_text());
    }

    #[test]
    fn the_greeting_of_tls_is_no_request_line() {
        let greeting = b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03";
        let answer = instead("400 Bad Request", greeting).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }

    #[test]
    fn answers_of_ours_pass() {
        for ours in [
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n",
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 4",
            "",
        ] {
            assert_eq!(
                instead_of(ours.as_bytes(), &RequestLine::default()),
                None,
                "{ours}"
            );
        }
    }
}
