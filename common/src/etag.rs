//! Entity tags.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// An entity tag without its quotes: of a plain object the MD5 of its bytes in lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Etag(Arc<str>);

impl Etag {
    /// The MD5 of no bytes.
    pub const EMPTY_MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";

    /// From text, whose quotes (and the weakness mark before them) are taken off.
    pub fn new(text: &str) -> Self {
        let text = text.trim();
        let text = text.strip_prefix("W/").unwrap_or(text);
        Self(text.trim_matches('"').into())
    }

    /// From an MD5.
    pub fn from_md5(digest: [u8; 16]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let text: String = digest
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .map(|digit| char::from(DIGITS[usize::from(digit)]))
            .collect();
        Self(text.into())
    }

    /// Without quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is none: a file whose bytes were not hashed yet.
    pub fn is_unknown(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Etag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_do_not_matter() {
        assert_eq!(Etag::new("\"abc\""), Etag::new(" abc"));
        assert_eq!(Etag::new("W/\"abc\""), Etag::new("abc"));
    }

    #[test]
    fn an_md5_is_written_in_hexadecimal() {
        let digest = [
            0xd4, 0x1d, 0x8c, 0xd9, 0x8f, 0x00, 0xb2, 0x04, 0xe9, 0x80, 0x09, 0x98, 0xec, 0xf8, 0x42, 0x7e,
        ];
        assert_eq!(Etag::from_md5(digest).as_str(), Etag::EMPTY_MD5);
    }
}
