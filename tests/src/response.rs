//! An answer and what a test expects of it. Every expectation that fails shows request, answer and the server's log of
//! that request, at the line of the test that expected it.

use std::fmt;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use crate::log::Log;

/// How much of a body a failure shows.
const SHOWN_BODY_BYTES: usize = 2000;

/// A whole answer.
#[derive(Clone)]
pub struct Response {
    pub(crate) request: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) log: Log,
}

impl Response {
    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// All headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// A header's value as text, where there is one.
    pub fn find_header(&self, name: &str) -> Option<&str> {
        let value = self.headers.get(name)?;
        std::str::from_utf8(value.as_bytes()).ok()
    }

    /// A header's value, which must be there.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        match self.find_header(name) {
            Some(value) => value,
            None => self.fail(&format!("a header {name}")),
        }
    }

    /// The number in a header.
    #[track_caller]
    pub fn number(&self, name: &str) -> u64 {
        match self.header(name).parse() {
            Ok(number) => number,
            Err(_) => self.fail(&format!("a number in {name}")),
        }
    }

    /// The body as text.
    #[track_caller]
    pub fn text(&self) -> &str {
        match std::str::from_utf8(&self.body) {
            Ok(text) => text,
            Err(_) => self.fail("a body in UTF-8"),
        }
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(_) => self.fail("a body of JSON"),
        }
    }

    /// The entries of a listing in JSON: names, and subdirectories as they stand.
    #[track_caller]
    pub fn entries(&self) -> Vec<String> {
        let json = self.json();
        let entry = |entry: &Value| {
            let text = entry.get("name").or_else(|| entry.get("subdir"))?;
            Some(text.as_str()?.to_owned())
        };
        match json.as_array().and_then(|list| list.iter().map(entry).collect()) {
            Some(entries) => entries,
            None => self.fail("a listing in JSON"),
        }
    }

    /// The status must be `status`.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        if self.status != status {
            self.fail(&format!("status {status}"));
        }
        self
    }

    /// The status must be one of `statuses`.
    #[track_caller]
    pub fn expect_one_of(self, statuses: &[u16]) -> Self {
        if !statuses.contains(&self.status) {
            self.fail(&format!("one of {statuses:?}"));
        }
        self
    }

    /// The header must have this value.
    #[track_caller]
    pub fn expect_header(self, name: &str, value: &str) -> Self {
        if self.header(name) != value {
            self.fail(&format!("{name}: {value}"));
        }
        self
    }

    /// The header must be absent.
    #[track_caller]
    pub fn expect_no_header(self, name: &str) -> Self {
        if self.headers.contains_key(name) {
            self.fail(&format!("no header {name}"));
        }
        self
    }

    /// The body must be these bytes.
    #[track_caller]
    pub fn expect_body(self, body: impl AsRef<[u8]>) -> Self {
        if self.body != body.as_ref() {
            let wanted = String::from_utf8_lossy(shown(body.as_ref())).into_owned();
            self.fail(&format!("{} bytes of body: {wanted:?}", body.as_ref().len()));
        }
        self
    }

    /// The entries of the listing must be these, in this order.
    #[track_caller]
    pub fn expect_entries<S: AsRef<str>>(self, entries: &[S]) -> Self {
        let entries: Vec<_> = entries.iter().map(AsRef::as_ref).collect();
        if self.entries() != entries {
            self.fail(&format!("the entries {entries:?}"));
        }
        self
    }

    #[track_caller]
    fn fail(&self, wanted: &str) -> ! {
        panic!("expected {wanted}\n{self:?}");
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "> {}", self.request)?;
        writeln!(formatter, "< {}", self.status)?;
        for (name, value) in &self.headers {
            writeln!(
                formatter,
                "< {name}: {}",
                String::from_utf8_lossy(value.as_bytes())
            )?;
        }
        writeln!(formatter, "< {:?}", String::from_utf8_lossy(shown(&self.body)))?;
        if let Some(transaction_id) = self.find_header("x-trans-id") {
            for line in self.log.lines_with(transaction_id) {
                writeln!(formatter, "log: {line}")?;
            }
        }
        Ok(())
    }
}

fn shown(body: &[u8]) -> &[u8] {
    &body[..body.len().min(SHOWN_BODY_BYTES)]
}
