//! The proof that a request between servers was made by one of them.
//!
//! `x-stobj-cluster-key: {timestamp}:{base64url of an HMAC-SHA256}`, over these lines, each ended by a line feed but
//! the last:
//!
//! ```text
//! stobj inner 1
//! POST
//! {path}
//! {timestamp}, in units of 10 µs since 1970
//! {the value of x-stobj-arguments}
//! {the value of x-stobj-context}
//! ```
//!
//! The key is the HMAC-SHA256 of `stobj cluster key 1` under the first key of the keyring; a receiver takes those of
//! all its keys, so that keys can be changed without an interruption. A raw body is not covered: the network between
//! the servers is trusted to that extent.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderValue};
use sha2::Sha256;

use super::{ARGUMENTS, CLUSTER_KEY, CONTEXT};
use crate::Timestamp;
use crate::token::Keyring;

const PURPOSE: &str = "stobj cluster key 1";
/// A proof made so long before or after now (clocks differ) proves nothing.
const WINDOW_SECONDS: u64 = 60;

/// The key that the servers of one cluster share, by which they know each other.
#[derive(Clone)]
pub struct ClusterKey(Vec<[u8; 32]>);

impl ClusterKey {
    /// Derived from the keys that sign tokens, which all servers have anyway.
    pub fn new(keyring: &Keyring) -> Self {
        Self(keyring.derive(PURPOSE))
    }

    /// The proof for a request made at `now`.
    pub(crate) fn sign(&self, path: &str, headers: &HeaderMap, now: Timestamp) -> HeaderValue {
        let mac = self
            .0
            .first()
            .map(|key| mac(key, path, headers, now.units()).finalize().into_bytes());
        let text = format!(
            "{}:{}",
            now.units(),
            URL_SAFE_NO_PAD.encode(mac.unwrap_or_default())
        );
        HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// Whether one of the cluster's servers made this request, not long before `now`.
    pub fn verify(&self, path: &str, headers: &HeaderMap, now: Timestamp) -> bool {
        let Some((timestamp, proof)) = headers.get(CLUSTER_KEY).and_then(parse) else {
            return false;
        };
        if Timestamp::from_units(timestamp).seconds().abs_diff(now.seconds()) > WINDOW_SECONDS {
            return false;
        }
        self.0
            .iter()
            .any(|key| mac(key, path, headers, timestamp).verify_slice(&proof).is_ok())
    }
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ClusterKey(***)")
    }
}

fn mac(key: &[u8; 32], path: &str, headers: &HeaderMap, timestamp: u64) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(format!("stobj inner 1\nPOST\n{path}\n{timestamp}\n").as_bytes());
    for (name, end) in [(ARGUMENTS, "\n"), (CONTEXT, "")] {
        mac.update(headers.get(name).map_or(b"", HeaderValue::as_bytes));
        mac.update(end.as_bytes());
    }
    mac
}

fn parse(value: &HeaderValue) -> Option<(u64, Vec<u8>)> {
    let (timestamp, proof) = value.to_str().ok()?.split_once(':')?;
    Some((timestamp.parse().ok()?, URL_SAFE_NO_PAD.decode(proof).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(arguments: &'static str) -> HeaderMap {
        HeaderMap::from_iter([
            (ARGUMENTS, HeaderValue::from_static(arguments)),
            (CONTEXT, HeaderValue::from_static("ctx")),
        ])
    }

    fn keyring(digits: &str) -> Keyring {
        Keyring::parse(&format!("1 {}", digits.repeat(32))).unwrap()
    }

    #[test]
    fn only_the_cluster_proves_and_only_what_it_signed() {
        let (key, now) = (ClusterKey::new(&keyring("ab")), Timestamp::from_seconds(5000));
        let mut sent = headers("args");
        assert!(!key.verify("/object/put", &sent, now), "without a proof");
        sent.insert(CLUSTER_KEY, key.sign("/object/put", &sent, now));
        assert!(key.verify("/object/put", &sent, now));
        assert!(!key.verify("/object/delete", &sent, now), "another path");
        assert!(!ClusterKey::new(&keyring("cd")).verify("/object/put", &sent, now));
        let mut changed = sent.clone();
        changed.insert(ARGUMENTS, HeaderValue::from_static("other"));
        assert!(!key.verify("/object/put", &changed, now));
        for garbage in ["", ":", "1:", "x:y", "5000"] {
            sent.insert(CLUSTER_KEY, HeaderValue::from_static(garbage));
            assert!(!key.verify("/object/put", &sent, now), "{garbage}");
        }
    }

    #[test]
    fn a_proof_holds_for_a_minute() {
        let (key, made) = (ClusterKey::new(&keyring("ab")), Timestamp::from_seconds(5000));
        let mut sent = headers("args");
        sent.insert(CLUSTER_KEY, key.sign("/a/b", &sent, made));
        for (seconds, holds) in [(4939, false), (4940, true), (5060, true), (5061, false)] {
            assert_eq!(
                key.verify("/a/b", &sent, Timestamp::from_seconds(seconds)),
                holds,
                "{seconds}"
            );
        }
    }

    #[test]
    fn a_changed_key_is_known_beside_the_old_one() {
        let old = keyring("ab");
        let both = Keyring::parse(&format!("2 {}\n{}", "cd".repeat(32), old.to_text())).unwrap();
        let now = Timestamp::from_seconds(5000);
        let mut sent = headers("args");
        sent.insert(CLUSTER_KEY, ClusterKey::new(&old).sign("/a/b", &sent, now));
        assert!(ClusterKey::new(&both).verify("/a/b", &sent, now));
    }
}
