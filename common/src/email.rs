//! E-mail addresses, as far as a name to log in with must be told from any other.

use crate::Error;

/// The longest there is.
const MAX: usize = 254;

/// `email` in lower case: nobody means another person by capitals.
///
/// # Errors
/// 400 with what is wrong, when no mail could ever arrive there.
pub fn normalised(email: &str) -> Result<String, Error> {
    let wrong = |why: &str| Err(Error::bad_request(format!("email: {why}")));
    let Some((local, domain)) = email.split_once('@') else {
        return wrong("expected an address such as someone@example.org");
    };
    if email.len() > MAX {
        return wrong("an address has at most 254 bytes");
    }
    let is_forbidden =
        |char: char| char.is_control() || char.is_whitespace() || ":;,<>()[]\\\"@/".contains(char);
    if local.is_empty() || local.len() > 64 || local.contains(is_forbidden) {
        return wrong(
            "what stands before the @ has 1 to 64 bytes, without spaces and any of :;,<>()[]\\\"@/",
        );
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(|char| char.is_alphanumeric() || char == '-')
    };
    if !domain.contains('.') || !domain.split('.').all(is_label) {
        return wrong("what stands behind the @ is no domain such as example.org");
    }
    Ok(email.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_are_told_from_other_texts() {
        for (email, is) in [
            ("Someone@Example.org", "someone@example.org"),
            ("a.b+c_d@mail.example.co", "a.b+c_d@mail.example.co"),
            ("jörg@müller.de", "jörg@müller.de"),
        ] {
            assert_eq!(normalised(email).unwrap(), is);
        }
        for email in [
            "",
            "a",
            "@example.org",
            "a@",
            "a@b",
            "a@b@example.org",
            "a b@example.org",
            "a:b@example.org",
            "a@example..org",
            "a@.org",
            "a@exam ple.org",
            "a\n@example.org",
            "\0a@example.org",
        ] {
            assert!(normalised(email).is_err(), "{email:?}");
        }
        assert!(normalised(&format!("{}@example.org", "a".repeat(65))).is_err());
        assert!(normalised(&format!("a@{}org", "example.".repeat(40))).is_err());
    }

    proptest! {
        #[test]
        fn it_is_normal_once_it_was_made_so(email in "[a-zA-Zäß.@-]{0,20}|.{0,20}") {
            if let Ok(once) = normalised(&email) {
                prop_assert!(!once.starts_with('\0') && !once.contains(':'));
                prop_assert_eq!(normalised(&once).ok(), Some(once));
            }
        }
    }
}
