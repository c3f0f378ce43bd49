//! `X-Account-Access-Control`: a JSON object of rights with those who have them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use common::Error;
use serde_json::Value;

/// The header's name, with which every complaint about its value begins.
const NAME: &str = "X-Account-Access-Control";
/// The rights, by their names in the JSON.
const RIGHTS: [&str; 3] = ["admin", "read-only", "read-write"];

/// An account's list, ready to be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountAcl {
    admin: Vec<String>,
    read_write: Vec<String>,
    read_only: Vec<String>,
}

/// What an account's list lets somebody do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccountRight {
    /// GET and HEAD everywhere.
    Read,
    /// Everything in containers, but of the account itself only GET and HEAD.
    Write,
    /// Like the owner.
    Administer,
}

impl AccountAcl {
    /// Reads the stored form; what is not that form grants nothing.
    pub fn parse(text: &str) -> Self {
        let mut rights = parse(text).unwrap_or_default();
        let mut take = |name| rights.remove(name).unwrap_or_default();
        Self {
            admin: take("admin"),
            read_write: take("read-write"),
            read_only: take("read-only"),
        }
    }

    /// The highest right that one of `groups` has.
    pub fn right_of(&self, groups: &[String]) -> Option<AccountRight> {
        let is_in = |list: &[String]| groups.iter().any(|group| list.contains(group));
        if is_in(&self.admin) {
            Some(AccountRight::Administer)
        } else if is_in(&self.read_write) {
            Some(AccountRight::Write)
        } else if is_in(&self.read_only) {
            Some(AccountRight::Read)
        } else {
            None
        }
    }
}

/// The form in which an account's list is kept: compact JSON in ASCII with sorted keys; `None` is no list.
///
/// # Errors
/// 400 that begins with the header's name.
pub fn clean_account_acl(value: &str) -> Result<Option<String>, Error> {
    let value = value.trim();
    if value.is_empty() {
        return Ok(None);
    }
    let rights = parse(value).map_err(|why| Error::bad_request(format!("{NAME} invalid: {why}")))?;
    if rights.is_empty() {
        return Ok(None);
    }
    let lists: Vec<_> = rights
        .iter()
        .map(|(right, who)| {
            let who: Vec<_> = who.iter().map(|who| ascii_json(who)).collect();
            format!("\"{right}\":[{}]", who.join(","))
        })
        .collect();
    Ok(Some(format!("{{{}}}", lists.join(","))))
}

fn parse(text: &str) -> Result<BTreeMap<String, Vec<String>>, String> {
    let value = serde_json::from_str(text).map_err(|_| "it is not JSON".to_owned())?;
    let Value::Object(members) = value else {
        return Err("it is not a JSON object".to_owned());
    };
    let mut rights = BTreeMap::new();
    for (right, who) in members {
        if !RIGHTS.contains(&right.as_str()) {
            return Err(format!(
                "there is no right {right:?}; expected one of {}",
                RIGHTS.join(", ")
            ));
        }
        let Value::Array(who) = who else {
            return Err(format!("{right:?} is not a list"));
        };
        let who: Option<Vec<_>> = who.iter().map(|who| who.as_str().map(str::to_owned)).collect();
        let who = who.ok_or_else(|| format!("{right:?} holds something else than strings"))?;
        rights.insert(right, who);
    }
    Ok(rights)
}

/// `text` as a JSON string in ASCII, so that it fits into a header.
fn ascii_json(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for unit in text.encode_utf16() {
        match char::from_u32(u32::from(unit)) {
            Some(plain @ ('"' | '\\')) => json.extend(['\\', plain]),
            Some('\n') => json.push_str("\\n"),
            Some('\r') => json.push_str("\\r"),
            Some('\t') => json.push_str("\\t"),
            Some(plain @ ' '..='~') => json.push(plain),
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(json, "\\u{unit:04x}");
            }
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_list_is_brought_to_one_form() {
        let clean = |value| clean_account_acl(value).unwrap();
        assert_eq!(
            clean(r#" {"read-only": ["b", "a:\u00e4"], "admin":[ ] } "#).as_deref(),
            Some(r#"{"admin":[],"read-only":["b","a:\u00e4"]}"#)
        );
        assert_eq!(
            clean(r#"{"admin":["😀\""]}"#).as_deref(),
            Some(r#"{"admin":["\ud83d\ude00\""]}"#)
        );
        assert_eq!(clean(""), None);
        assert_eq!(clean("{}"), None);
    }

    #[test]
    fn garbage_is_refused() {
        for value in [
            "[]",
            "null",
            "x",
            "{\"admin\"",
            r#"{"owner":["a"]}"#,
            r#"{"admin":"a"}"#,
            r#"{"admin":[1]}"#,
            r#"{"admin":[["a"]]}"#,
            r#"{"admin":{"a":1}}"#,
            r#"{"read-write":[null]}"#,
        ] {
            let error = clean_account_acl(value).unwrap_err();
            assert_eq!(error.status(), 400, "{value}");
            assert!(error.text().unwrap().starts_with(NAME), "{value}");
        }
    }

    #[test]
    fn the_highest_right_counts() {
        let acl = AccountAcl::parse(r#"{"admin":["a"],"read-write":["b","a"],"read-only":["c"]}"#);
        let right = |group: &str| acl.right_of(&["x".to_owned(), group.to_owned()]);
        assert_eq!(right("a"), Some(AccountRight::Administer));
        assert_eq!(right("b"), Some(AccountRight::Write));
        assert_eq!(right("c"), Some(AccountRight::Read));
        assert_eq!(right("d"), None);
        assert_eq!(AccountAcl::parse("nonsense"), AccountAcl::default());
    }

    proptest! {
        #[test]
        fn no_text_panics_and_the_clean_form_is_stable(text in "[\\[\\]{}\":,a-z-]{0,40}|.{0,60}") {
            if let Ok(Some(clean)) = clean_account_acl(&text) {
                prop_assert_eq!(clean_account_acl(&clean).unwrap(), Some(clean));
            }
        }

        #[test]
        fn names_survive(names in prop::collection::vec(any::<String>(), 1..4)) {
            let json = serde_json::json!({"read-only": names}).to_string();
            let clean = clean_account_acl(&json).unwrap().unwrap();
            prop_assert!(clean.is_ascii());
            for name in names {
                prop_assert_eq!(AccountAcl::parse(&clean).right_of(&[name]), Some(AccountRight::Read));
            }
        }
    }
}
