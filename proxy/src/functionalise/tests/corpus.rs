//! Every input of the corpus through every parser of what clients send: what is taken must be taken again when it is
//! written as we write it, what is not is refused, and nothing panics.
//!
//! The inputs are the lines of `tests/corpus/parsers/*.txt`; `tests/README.md` says how they are written. Every parser
//! gets all of them, whichever it was that once stumbled, and each of them changed in many ways.

use std::path::Path;
use std::sync::LazyLock;

use common::Timestamp;
use common::conditions::Conditions;
use common::config::{Period, Size};
use common::functional::object;
use common::name::{AccountName, ContainerName, ObjectName};
use common::range::{Ranges, Resolved};
use common::token::Keyring;
use http::header::HeaderName;
use middleware::acl::{AccountAcl, ContainerAcl, clean_account_acl, clean_acl};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::super::query::Parameters;
use super::super::{content_type, copying, expiry, framing, metadata};
use super::*;

/// Has signed nothing yet.
static KEYRING: LazyLock<Keyring> = LazyLock::new(|| Keyring::generate().unwrap());

const NOW: Timestamp = Timestamp::from_units(170_000_000_050_000);
/// Names of headers that are read as something.
const HEADERS: [&str; 18] = [
    "content-length",
    "content-type",
    "destination",
    "destination-account",
    "etag",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "range",
    "transfer-encoding",
    "x-account-access-control",
    "x-container-meta-a",
    "x-container-read",
    "x-container-write",
    "x-copy-from",
    "x-delete-after",
    "x-delete-at",
    "x-object-meta-a",
];

/// How often each input is changed; set for a long run by hand.
const ROUNDS: &str = "STOBJ_TEST_CORPUS_ROUNDS";

fn inputs() -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus/parsers");
    let mut inputs = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        inputs.extend(text.lines().filter(|line| !line.starts_with('#')).map(unescaped));
    }
    assert!(inputs.len() > 100, "there is a corpus");
    inputs
}

/// `\xNN` is a byte, every other character is itself.
fn unescaped(line: &str) -> Vec<u8> {
    let mut parts = line.split("\\x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at(2);
        bytes.push(u8::from_str_radix(digits, 16).unwrap());
        bytes.extend(rest.as_bytes());
    }
    bytes
}

/// Enough to change inputs with; the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }

    /// `input` with a byte turned, left out or doubled, a piece of another put in, or its end cut off.
    fn changed(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        const SHARP: &[u8] = b"%/,;:=&-+\"'*.\0\r\n\t \\#?{}[]<>0189aAfF_\x7f\x80\xc3\xff";
        let mut changed = input.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(changed.len() + 1);
            match self.below(5) {
                0 if at < changed.len() => changed[at] ^= 1 << self.below(8),
                1 if at < changed.len() => drop(changed.remove(at)),
                2 => changed.insert(at, SHARP[self.below(SHARP.len())]),
                3 => {
                    let from = self.below(other.len() + 1);
                    let to = from + self.below(other.len() - from + 1);
                    changed.splice(at..at, other[from..to].iter().copied());
                }
                _ => changed.truncate(at),
            }
        }
        changed.truncate(5000);
        changed
    }
}

#[test]
fn the_corpus_goes_through_every_parser() {
    let inputs = inputs();
    let rounds = std::env::var(ROUNDS).map_or(20, |rounds| rounds.parse().unwrap());
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for input in &inputs {
        parse(input);
    }
    for _ in 0..rounds {
        for input in &inputs {
            let other = &inputs[dice.below(inputs.len())];
            parse(&dice.changed(input, other));
        }
    }
}

fn parse(input: &[u8]) {
    headers(input);
    if let Ok(text) = std::str::from_utf8(input) {
        path(text);
        query(text);
        values(text);
        lists(text);
    }
}

/// A path names what its parts name when they are escaped.
fn path(text: &str) {
    let Ok(resource) = Resource::parse(text) else {
        return;
    };
    let escaped = |name: &str| utf8_percent_encode(name, NON_ALPHANUMERIC).to_string();
    let again = match &resource {
        Resource::Account(account) => format!("/v1/{}", escaped(account.as_str())),
        Resource::Container(account, container) => {
            format!(
                "/v1/{}/{}",
                escaped(account.as_str()),
                escaped(container.as_str())
            )
        }
        Resource::Object(object::Path {
            account,
            container,
            object,
        }) => {
            assert!(
                !object.as_str().is_empty() && object.as_str().len() <= 1024,
                "{text:?}"
            );
            let [account, container, object] =
                [account.as_str(), container.as_str(), object.as_str()].map(escaped);
            format!("/v1/{account}/{container}/{object}")
        }
    };
    assert!(!again.contains("%00"), "{text:?}");
    assert_eq!(Resource::parse(&again).ok(), Some(resource), "{text:?}");
}

fn query(text: &str) {
    let Ok(parameters) = Parameters::parse(Some(text)) else {
        return;
    };
    if let Ok(query) = parameters.into_listing(10_000, true) {
        assert!(query.limit <= 10_000, "{text:?}");
    }
}

/// What has a form of its own has the same value in that form.
fn values(text: &str) {
    if let Some(moment) = Timestamp::parse(text) {
        assert_eq!(Timestamp::parse(&moment.to_string()), Some(moment), "{text:?}");
    }
    if let Some(period) = setting::<Period>(text) {
        assert_eq!(setting(&period.to_string()), Some(period), "{text:?}");
    }
    if let Some(size) = setting::<Size>(text) {
        assert_eq!(setting(&size.to_string()), Some(size), "{text:?}");
    }
    if let Some(ranges) = Ranges::parse(text) {
        for size in [0, 1, 10, u64::MAX] {
            if let Resolved::Parts(parts) = ranges.resolve(size) {
                assert!(!parts.is_empty(), "{text:?}");
                let is_within = |part: &common::range::ByteRange| part.first <= part.last && part.last < size;
                assert!(parts.iter().all(is_within), "{text:?}");
            }
        }
    }
    if let Ok(name) = ObjectName::new(text) {
        assert_eq!(name.segments().collect::<String>(), text);
    }
    let fits = (1..=256).contains(&text.len()) && !text.contains('/');
    assert_eq!(AccountName::new(text).is_ok(), fits, "{text:?}");
    assert_eq!(ContainerName::new(text).is_ok(), fits, "{text:?}");
    assert!(KEYRING.verify(text, NOW).is_err(), "{text:?}");
    if let Ok(error) = Error::from_wire(text) {
        assert!(error.status().as_u16() >= 300, "{text:?}");
    }
}

/// The value of a setting that is written as text.
fn setting<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_value(text.into()).ok()
}

/// An ACL that was cleaned is clean.
fn lists(text: &str) {
    for header in ["x-container-read", "x-container-write"] {
        if let Ok(clean) = clean_acl(header, text) {
            assert_eq!(clean_acl(header, &clean).ok(), Some(clean), "{text:?}");
        }
    }
    if let Ok(Some(clean)) = clean_account_acl(text) {
        assert_eq!(clean_account_acl(&clean).ok(), Some(Some(clean)), "{text:?}");
    }
    let groups = ["a".to_owned(), "a:b".to_owned()];
    let _ = AccountAcl::parse(text).right_of(&groups);
    let acl = ContainerAcl::parse(text);
    let _ = (
        acl.admits_any(&groups),
        acl.admits_referrer(Some(text)),
        acl.admits_listings(),
    );
}

fn headers(input: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(input) else {
        return;
    };
    let constraints = Constraints::default();
    let own = AccountName::new("own").unwrap();
    for name in HEADERS {
        let headers: HeaderMap = [(HeaderName::from_static(name), value.clone())]
            .into_iter()
            .collect();
        let _ = Conditions::from_headers(&headers);
        if let Ok(Some(length)) = framing::declared_length(&headers) {
            assert!(
                input.trim_ascii().iter().all(u8::is_ascii_digit),
                "{length} {value:?}"
            );
        }
        if let Ok(Some(moment)) = expiry::delete_at(&headers, NOW) {
            assert!(moment > NOW && moment.seconds() <= 9_999_999_999, "{value:?}");
        }
        for (path, account) in [
            ("destination", "destination-account"),
            ("x-copy-from", "x-copy-from-account"),
        ] {
            if let Ok(Some(end)) = copying::other_end(&headers, path, account, &own) {
                assert!(
                    !end.object.as_str().contains('\0') && end.account == own,
                    "{value:?}"
                );
            }
        }
        let _ = content_type::of_put(&headers, "a.txt");
        let _ = metadata::of_account(&headers, &constraints);
        let _ = metadata::of_container(&headers, &constraints);
        if let Ok(properties) = metadata::of_object(&headers, &constraints, &[]) {
            assert!(properties.len() <= constraints.max_meta_count, "{value:?}");
        }
    }
}
