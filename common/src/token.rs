//! Tokens: signed, so that any proxy can check one without asking anybody.
//!
//! ```text
//! {reseller prefix}tk{base64url of:}
//!   version      1 byte    = 1
//!   key id       4 bytes   which key signed it
//!   user id      8 bytes
//!   generation   8 bytes   of the user; a token of an older one is void
//!   expires      8 bytes   seconds since 1970
//!   token id     8 bytes   random; revocation of a single token names it
//!   signature   32 bytes   HMAC-SHA256 over all before
//! ```
//! Numbers are big-endian. The reseller prefix (`AUTH_`) is not signed: it only says who should look at the token.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::Timestamp;

const VERSION: u8 = 1;
const SIGNED: usize = 1 + 4 + 8 + 8 + 8 + 8;
const WHOLE: usize = SIGNED + 32;
/// No longer text is looked at.
const MAX_TEXT: usize = 512;

/// What a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Whose it is.
    pub user_id: u64,
    /// The user's generation when it was given out.
    pub generation: u64,
    /// When it ends.
    pub expires: Timestamp,
    /// Its own number.
    pub token_id: u64,
}

/// Why a text is no valid token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It does not have the form.
    #[error("this is not a token")]
    Malformed,
    /// No key of ours made this signature.
    #[error("the token's signature is not ours")]
    Forged,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
}

/// The keys that sign and check; the first signs.
///
/// Its file has one key a line, `{id} {64 hexadecimal digits}`; a new first line is a rotation, and the tokens of
/// the other lines stay valid.
#[derive(Clone)]
pub struct Keyring(Vec<Key>);

#[derive(Clone)]
struct Key {
    id: u32,
    secret: [u8; 32],
    /// Has taken the secret in, which is half of the work for a message as short as ours.
    mac: Hmac<Sha256>,
}

impl Keyring {
    /// One new random key.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        Ok(Self(vec![Key::new(1, secret)]))
    }

    /// Reads the text of a key file; empty lines and those that start with `#` are passed over.
    ///
    /// # Errors
    /// What is wrong, with the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut keys = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = parse_key(line)
                .ok_or_else(|| format!("line {}: expected `<number> <64 hexadecimal digits>`", number + 1))?;
            if keys.iter().any(|other: &Key| other.id == key.id) {
                return Err(format!("line {}: key {} stands here twice", number + 1, key.id));
            }
            keys.push(key);
        }
        if keys.is_empty() {
            Err("there is no key in it".to_owned())
        } else {
            Ok(Self(keys))
        }
    }

    /// The text of a key file.
    pub fn to_text(&self) -> String {
        self.0
            .iter()
            .map(|key| {
                let digits: String = key.secret.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("{} {digits}\n", key.id)
            })
            .collect()
    }

    /// Signs `token` with the first key; `prefix` is the reseller prefix with its underscore.
    pub fn sign(&self, prefix: &str, token: &Token) -> String {
        let key = &self.0[0];
        let mut bytes = Vec::with_capacity(WHOLE);
        bytes.push(VERSION);
        bytes.extend(key.id.to_be_bytes());
        bytes.extend(token.user_id.to_be_bytes());
        bytes.extend(token.generation.to_be_bytes());
        bytes.extend(token.expires.seconds().to_be_bytes());
        bytes.extend(token.token_id.to_be_bytes());
        let signature = key.mac(&bytes).finalize().into_bytes();
        bytes.extend(signature);
        format!("{prefix}tk{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// A key for `purpose` out of each key, in their order; nothing can be told from one about another.
    pub fn derive(&self, purpose: &str) -> Vec<[u8; 32]> {
        let derived = |key: &Key| key.mac(purpose.as_bytes()).finalize().into_bytes().into();
        self.0.iter().map(derived).collect()
    }

    /// Checks the text of a token whose reseller prefix and `tk` have been taken off.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn verify(&self, text: &str, now: Timestamp) -> Result<Token, TokenError> {
        if text.len() > MAX_TEXT {
            return Err(TokenError::Malformed);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::Malformed)?;
        let bytes: [u8; WHOLE] = bytes.try_into().map_err(|_| TokenError::Malformed)?;
        if bytes[0] != VERSION {
            return Err(TokenError::Malformed);
        }
        let (signed, signature) = bytes.split_at(SIGNED);
        let key_id = u32::from_be_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]);
        let key = self
            .0
            .iter()
            .find(|key| key.id == key_id)
            .ok_or(TokenError::Forged)?;
        key.mac(signed)
            .verify_slice(signature)
            .map_err(|_| TokenError::Forged)?;
        let number = |at: usize| {
            let mut digits = [0; 8];
            digits.copy_from_slice(&bytes[at..at + 8]);
            u64::from_be_bytes(digits)
        };
        let token = Token {
            user_id: number(5),
            generation: number(13),
            expires: Timestamp::from_seconds(number(21)),
            token_id: number(29),
        };
        if token.expires <= now {
            Err(TokenError::Expired)
        } else {
            Ok(token)
        }
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Keyring({:?})",
            self.0.iter().map(|key| key.id).collect::<Vec<_>>()
        )
    }
}

impl Key {
    fn new(id: u32, secret: [u8; 32]) -> Self {
        let mac = Hmac::new_from_slice(&secret).expect("HMAC takes a key of any length");
        Self { id, secret, mac }
    }

    fn mac(&self, bytes: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(bytes);
        mac
    }
}

fn parse_key(line: &str) -> Option<Key> {
    let (id, digits) = line.split_once(char::is_whitespace)?;
    let (id, digits) = (id.parse().ok()?, digits.trim());
    if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut secret = [0; 32];
    for (at, byte) in secret.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[at * 2..at * 2 + 2], 16).ok()?;
    }
    Some(Key::new(id, secret))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_seconds(1000);

    fn token() -> Token {
        Token {
            user_id: 7,
            generation: 3,
            expires: Timestamp::from_seconds(2000),
            token_id: 99,
        }
    }

    fn strip(text: &str) -> &str {
        text.strip_prefix("AUTH_tk").unwrap()
    }

    #[test]
    fn a_signed_token_verifies_until_it_ends() {
        let keys = Keyring::generate().unwrap();
        let text = keys.sign("AUTH_", &token());
        assert!(text.len() < 128);
        assert_eq!(keys.verify(strip(&text), NOW), Ok(token()));
        assert_eq!(
            keys.verify(strip(&text), Timestamp::from_seconds(2000)),
            Err(TokenError::Expired)
        );
        let others = Keyring::generate().unwrap();
        assert_eq!(others.verify(strip(&text), NOW), Err(TokenError::Forged));
    }

    #[test]
    fn a_rotation_keeps_old_tokens() {
        let old = Keyring::parse(&format!("1 {}", "ab".repeat(32))).unwrap();
        let text = old.sign("AUTH_", &token());
        let new = Keyring::parse(&format!("# rotated\n2 {}\n\n{}", "cd".repeat(32), old.to_text())).unwrap();
        assert_eq!(new.verify(strip(&text), NOW), Ok(token()));
        let newer = new.sign("AUTH_", &token());
        assert_eq!(old.verify(strip(&newer), NOW), Err(TokenError::Forged));
    }

    #[test]
    fn a_bad_key_file_says_where() {
        assert_eq!(Keyring::parse("\n").unwrap_err(), "there is no key in it");
        assert!(Keyring::parse("1 abc").unwrap_err().starts_with("line 1"));
        let twice = format!("1 {0}\n1 {0}", "ab".repeat(32));
        assert!(Keyring::parse(&twice).unwrap_err().starts_with("line 2"));
    }

    proptest! {
        #[test]
        fn any_changed_bit_is_noticed(byte in 0..WHOLE, bit in 0..8_u32) {
            let keys = Keyring::parse(&format!("1 {}", "ab".repeat(32))).unwrap();
            let text = keys.sign("AUTH_", &token());
            let mut bytes = URL_SAFE_NO_PAD.decode(strip(&text)).unwrap();
            bytes[byte] ^= 1 << bit;
            prop_assert!(keys.verify(&URL_SAFE_NO_PAD.encode(bytes), NOW).is_err());
        }

        #[test]
        fn no_text_panics(text in ".{0,600}") {
            let keys = Keyring::parse(&format!("1 {}", "ab".repeat(32))).unwrap();
            prop_assert!(keys.verify(&text, NOW).is_err());
        }
    }
}
