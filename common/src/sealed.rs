//! What a server keeps on its disk and will believe again: text behind the proof that a server of this cluster wrote it.
//!
//! ```text
//! stobj sealed 1 {purpose} {base64url of an HMAC-SHA256}
//! {the content, to the end}
//! ```
//!
//! The HMAC is over the purpose, a line feed, and the content. Its key is the HMAC-SHA256 of `stobj sealed 1` under the
//! first key of the keyring; a reader takes those of all its keys, so that keys can be changed. A file that was torn,
//! is of another purpose, or was written by somebody without the keys, is none.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::token::Keyring;

const FORM: &str = "stobj sealed 1";

/// Why bytes are not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// They do not begin as they must.
    #[error("it does not have the form of such a file")]
    Malformed,
    /// They are torn, were changed, or come from elsewhere.
    #[error("its signature does not fit: it is torn, was changed, or was signed with keys that are not here")]
    Forged,
}

/// `content` behind its proof. `purpose` is one word.
pub fn seal(keyring: &Keyring, purpose: &str, content: &[u8]) -> Vec<u8> {
    let keys = keyring.derive(FORM);
    let proof = keys.first().map(|key| mac(key, purpose, content).finalize());
    let proof = proof.map_or_else(String::new, |proof| URL_SAFE_NO_PAD.encode(proof.into_bytes()));
    let mut sealed = format!("{FORM} {purpose} {proof}\n").into_bytes();
    sealed.extend_from_slice(content);
    sealed
}

/// The content of what [`seal`] made for `purpose` under any of these keys.
///
/// # Errors
/// [`SealError`].
pub fn open<'a>(keyring: &Keyring, purpose: &str, sealed: &'a [u8]) -> Result<&'a [u8], SealError> {
    let end = sealed.iter().position(|byte| *byte == b'\n');
    let (line, content) = sealed.split_at(end.ok_or(SealError::Malformed)?);
    let content = &content[1..];
    let line = std::str::from_utf8(line).map_err(|_| SealError::Malformed)?;
    let rest = line.strip_prefix(FORM).and_then(|rest| rest.strip_prefix(' '));
    let (found, proof) = rest
        .and_then(|rest| rest.split_once(' '))
        .ok_or(SealError::Malformed)?;
    let proof = URL_SAFE_NO_PAD.decode(proof).map_err(|_| SealError::Malformed)?;
    if found != purpose {
        return Err(SealError::Malformed);
    }
    let fits = |key: &[u8; 32]| mac(key, purpose, content).verify_slice(&proof).is_ok();
    match keyring.derive(FORM).iter().any(fits) {
        true => Ok(content),
        false => Err(SealError::Forged),
    }
}

fn mac(key: &[u8; 32], purpose: &str, content: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(purpose.as_bytes());
    mac.update(b"\n");
    mac.update(content);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(text: &str) -> Keyring {
        Keyring::parse(text).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_also_after_a_rotation() {
        let first = format!("1 {}", "ab".repeat(32));
        let old = keys(&first);
        let sealed = seal(&old, "policy", b"{\n}");
        assert_eq!(open(&old, "policy", &sealed), Ok(&b"{\n}"[..]));
        let new = keys(&format!("2 {}\n{first}", "cd".repeat(32)));
        assert_eq!(open(&new, "policy", &sealed), Ok(&b"{\n}"[..]));
        let newer = seal(&new, "policy", b"{}");
        assert_eq!(open(&old, "policy", &newer), Err(SealError::Forged));
        assert_eq!(open(&old, "other", &sealed), Err(SealError::Malformed));
    }

    proptest! {
        #[test]
        fn what_is_torn_or_changed_is_not_believed(cut in 0..200_usize, at in 0..200_usize, bit in 0..8_u32) {
            let keys = keys(&format!("1 {}", "ab".repeat(32)));
            let sealed = seal(&keys, "policy", br#"{"version":7,"users":[]}"#);
            let torn = &sealed[..cut.min(sealed.len() - 1)];
            prop_assert!(open(&keys, "policy", torn).is_err());
            let mut changed = sealed.clone();
            changed[at % sealed.len()] ^= 1 << bit;
            prop_assert!(open(&keys, "policy", &changed).is_err());
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let keys = keys(&format!("1 {}", "ab".repeat(32)));
            prop_assert!(open(&keys, "policy", &bytes).is_err());
        }
    }
}
