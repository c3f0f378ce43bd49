//! Which headers of a request become properties of an account, a container or an object.

use bytes::Bytes;
use common::constraints::Constraints;
use common::quota::{ACCOUNT_BYTES, ACCOUNT_OBJECTS};
use common::{Error, Properties};
use http::HeaderMap;
use middleware::acl::{clean_account_acl, clean_acl};

/// Settings of a container that are no metadata, and the header that removes them.
const CONTAINER_SETTINGS: [(&str, &str); 3] = [
    ("x-container-read", "x-remove-container-read"),
    ("x-container-write", "x-remove-container-write"),
    ("x-container-sync-key", "x-remove-container-sync-key"),
];
const ACCOUNT_ACL: &str = "x-account-access-control";
/// Limits of an account, and the header that removes them.
const ACCOUNT_LIMITS: [(&str, &str); 2] = [
    (ACCOUNT_BYTES, "x-remove-account-quota-bytes"),
    (ACCOUNT_OBJECTS, "x-remove-account-quota-count"),
];
/// The older name of [`ACCOUNT_BYTES`]; what it says is kept under the new one.
pub(super) const OLDER_ACCOUNT_BYTES: &str = "x-account-meta-quota-bytes";

/// The changes that a request makes to an account: an empty value removes.
///
/// # Errors
/// 400 for metadata beyond a limit or not in UTF-8, and for an ACL that makes no sense.
pub(super) fn of_account(headers: &HeaderMap, constraints: &Constraints) -> Result<Properties, Error> {
    let mut properties = user_metadata(headers, "x-account-meta-", constraints)?;
    check_utf8(&properties)?;
    if let Some(acl) = text(headers, ACCOUNT_ACL)? {
        properties.insert(ACCOUNT_ACL, clean_account_acl(acl)?.unwrap_or_default());
    }
    add_removals(
        headers,
        "x-remove-account-meta-",
        "x-account-meta-",
        &mut properties,
    );
    add_account_limits(headers, &mut properties)?;
    Ok(properties)
}

/// The limits of an account. Other than with metadata, to remove one wins over setting it.
fn add_account_limits(headers: &HeaderMap, properties: &mut Properties) -> Result<(), Error> {
    if headers
        .keys()
        .any(|name| name.as_str().contains("-account-quota-") && name.as_str().contains("-policy-"))
    {
        return Err(Error::bad_request(
            "There is one storage policy: limit the account as a whole",
        ));
    }
    for (name, removal) in ACCOUNT_LIMITS {
        if headers.contains_key(removal) {
            properties.insert(name, Bytes::new());
        } else if let Some(value) = headers.get(name) {
            properties.insert(name, Bytes::copy_from_slice(value.as_bytes()));
        }
    }
    if let Some(older) = properties.remove(OLDER_ACCOUNT_BYTES)
        && properties.value(ACCOUNT_BYTES).is_none()
    {
        properties.insert(ACCOUNT_BYTES, older);
    }
    Ok(())
}

/// The changes that a request makes to a container: an empty value removes.
///
/// # Errors
/// As [`of_account`].
pub(super) fn of_container(headers: &HeaderMap, constraints: &Constraints) -> Result<Properties, Error> {
    let mut properties = user_metadata(headers, "x-container-meta-", constraints)?;
    check_utf8(&properties)?;
    for (name, removal) in CONTAINER_SETTINGS {
        if let Some(value) = text(headers, name)? {
            let value = match name {
                "x-container-sync-key" => value.to_owned(),
                _ => clean_acl(name, value)?,
            };
            properties.insert(name, value);
        } else if headers.contains_key(removal) {
            properties.insert(name, Bytes::new());
        }
    }
    add_removals(
        headers,
        "x-remove-container-meta-",
        "x-container-meta-",
        &mut properties,
    );
    Ok(properties)
}

/// All properties of an object: its metadata, and those headers that are kept with it.
///
/// # Errors
/// 400 for metadata beyond a limit, and for what only this server says.
pub(super) fn of_object(
    headers: &HeaderMap,
    constraints: &Constraints,
    kept_headers: &[String],
) -> Result<Properties, Error> {
    if headers.contains_key("x-static-large-object") {
        return Err(Error::bad_request(
            "X-Static-Large-Object is set by the server; PUT with ?multipart-manifest=put",
        ));
    }
    let mut properties = user_metadata(headers, "x-object-meta-", constraints)?;
    for name in kept_headers {
        if let Some(value) = headers.get(name).filter(|value| !value.is_empty()) {
            properties.insert(name, Bytes::copy_from_slice(value.as_bytes()));
        }
    }
    Ok(properties)
}

/// The headers that start with `prefix`; repeated ones are joined as one list.
fn user_metadata(headers: &HeaderMap, prefix: &str, constraints: &Constraints) -> Result<Properties, Error> {
    let mut properties = Properties::new();
    for (name, value) in headers {
        let Some(rest) = dashed_suffix(name.as_str(), prefix) else {
            continue;
        };
        let name = format!("{prefix}{rest}");
        let value = match properties.value(&name) {
            Some(earlier) => [earlier, &b","[..], value.as_bytes()].concat().into(),
            None => Bytes::copy_from_slice(value.as_bytes()),
        };
        properties.insert(&name, value);
    }
    constraints.check_metadata(&properties, prefix)?;
    Ok(properties)
}

/// Adds an empty value for each removal whose item is not set by the same request.
fn add_removals(headers: &HeaderMap, removal: &str, prefix: &str, properties: &mut Properties) {
    for name in headers.keys() {
        if let Some(rest) = dashed_suffix(name.as_str(), removal)
            && !rest.is_empty()
        {
            let name = format!("{prefix}{rest}");
            if properties.value(&name).is_none() {
                properties.insert(&name, Bytes::new());
            }
        }
    }
}

/// What follows `prefix` in a header's name, where `_` and `-` are the same.
fn dashed_suffix(name: &str, prefix: &str) -> Option<String> {
    let (start, rest) = name.split_at_checked(prefix.len())?;
    let is_prefix = start
        .bytes()
        .zip(prefix.bytes())
        .all(|(have, want)| have == want || (have == b'_' && want == b'-'));
    is_prefix.then(|| rest.replace('_', "-"))
}

fn check_utf8(properties: &Properties) -> Result<(), Error> {
    for (_, value) in properties {
        std::str::from_utf8(value).map_err(|_| Error::bad_request("Metadata must be valid UTF-8"))?;
    }
    Ok(())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Error> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    std::str::from_utf8(value.as_bytes())
        .map(Some)
        .map_err(|_| Error::bad_request(format!("{name} must be valid UTF-8")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    fn map(headers: &[(&str, &[u8])]) -> HeaderMap {
        headers
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_bytes(name.as_bytes()).unwrap(),
                    HeaderValue::from_bytes(value).unwrap(),
                )
            })
            .collect()
    }

    fn container(headers: &[(&str, &[u8])]) -> Result<Vec<(String, String)>, u16> {
        of_container(&map(headers), &Constraints::default())
            .map(|properties| {
                properties
                    .iter()
                    .map(|(name, value)| (name.clone(), String::from_utf8(value.to_vec()).unwrap()))
                    .collect()
            })
            .map_err(|error| error.status().as_u16())
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.into(), value.into())
    }

    #[test]
    fn sets_win_over_removals() {
        let changes = container(&[
            ("X-Container-Meta-A", b"1"),
            ("X-Remove-Container-Meta-A", b"x"),
            ("X-Remove-Container-Meta-B", b""),
            ("X-Remove-Container-Meta-", b"x"),
            ("X_Container_Meta_C_D", "ä".as_bytes()),
            ("X-Container-Meta-E", b""),
            ("X-Remove-Container-Read", b"x"),
            ("X-Unrelated", b"x"),
        ]);
        assert_eq!(
            changes.unwrap(),
            [
                pair("x-container-meta-a", "1"),
                pair("x-container-meta-b", ""),
                pair("x-container-meta-c-d", "ä"),
                pair("x-container-meta-e", ""),
                pair("x-container-read", ""),
            ]
        );
    }

    #[test]
    fn acls_are_normalised() {
        let changes = container(&[("X-Container-Read", b".referrer : *, a:b")]).unwrap();
        assert_eq!(changes, [pair("x-container-read", ".r:*,a:b")]);
        assert_eq!(container(&[("X-Container-Read", b".r:")]), Err(400));
        assert_eq!(container(&[("X-Container-Write", b".r:*")]), Err(400));
        let account = |acl: &[u8]| {
            of_account(
                &map(&[("X-Account-Access-Control", acl)]),
                &Constraints::default(),
            )
        };
        assert_eq!(account(b"nonsense").unwrap_err().status(), 400);
        let cleared = account(b"{}").unwrap();
        assert_eq!(cleared.text("x-account-access-control"), Some(""));
    }

    #[test]
    fn the_limits_of_an_account_are_no_metadata() {
        let account = |headers: &[(&str, &[u8])]| {
            let properties = of_account(&map(headers), &Constraints::default()).unwrap();
            let pairs = properties.iter().map(|(name, value)| {
                let value = String::from_utf8(value.to_vec()).unwrap();
                (name.clone(), value)
            });
            pairs.collect::<Vec<_>>()
        };
        let bytes = |value| [pair("x-account-quota-bytes", value)];
        assert_eq!(account(&[("X-Account-Quota-Bytes", b"5")]), bytes("5"));
        assert_eq!(account(&[("X-Account-Meta-Quota-Bytes", b"5")]), bytes("5"));
        assert_eq!(account(&[("X-Account-Meta-Quota_Bytes", b"")]), bytes(""));
        assert_eq!(account(&[("X-Remove-Account-Meta-Quota-Bytes", b"t")]), bytes(""));
        let both: [(&str, &[u8]); 2] = [
            ("X-Account-Quota-Bytes", b"5"),
            ("X-Remove-Account-Quota-Bytes", b"t"),
        ];
        assert_eq!(account(&both), bytes(""));
        let both: [(&str, &[u8]); 2] = [
            ("X-Account-Quota-Bytes", b"5"),
            ("X-Account-Meta-Quota-Bytes", b"6"),
        ];
        assert_eq!(account(&both), bytes("5"));
        assert_eq!(
            account(&[("X-Account-Quota-Count", b"7")]),
            [pair("x-account-quota-count", "7")]
        );
        let of_a_policy = map(&[("X-Account-Quota-Bytes-Policy-default", b"5")]);
        let refused = of_account(&of_a_policy, &Constraints::default()).unwrap_err();
        assert_eq!(refused.status(), 400);
    }

    #[test]
    fn metadata_of_accounts_and_containers_is_utf8() {
        assert_eq!(container(&[("X-Container-Meta-A", b"\xff")]), Err(400));
        assert_eq!(container(&[("X-Container-Meta-", b"x")]), Err(400));
        let raw = map(&[("X-Object-Meta-A", b"\xff")]);
        let properties = of_object(&raw, &Constraints::default(), &[]).unwrap();
        assert_eq!(properties.value("x-object-meta-a").unwrap().as_ref(), b"\xff");
    }

    #[test]
    fn an_object_keeps_the_listed_headers() {
        let headers = map(&[
            ("Content-Encoding", b"gzip"),
            ("Content-Disposition", b""),
            ("Content-Language", b"de"),
            ("X-Object-Meta-Empty", b""),
        ]);
        let kept = ["content-encoding".to_owned(), "content-disposition".to_owned()];
        let properties = of_object(&headers, &Constraints::default(), &kept).unwrap();
        let names: Vec<_> = properties.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["content-encoding", "x-object-meta-empty"]);
        let forged = map(&[("X-Static-Large-Object", b"True")]);
        assert!(of_object(&forged, &Constraints::default(), &kept).is_err());
    }

    #[test]
    fn too_many_items_are_refused() {
        let names: Vec<_> = (0..91).map(|at| format!("X-Container-Meta-{at}")).collect();
        let items: Vec<_> = names.iter().map(|name| (name.as_str(), &b"v"[..])).collect();
        assert_eq!(container(&items), Err(400));
        assert_eq!(container(&items[..90]).unwrap().len(), 90);
    }

    proptest! {
        #[test]
        fn no_headers_panic(
            entries in prop::collection::vec(("x[-_](remove[-_])?(account|container|object)[-_]meta[-_][a-z_-]{0,5}", "[ -~\u{e4}]{0,20}"), 0..6)
        ) {
            let entries: Vec<_> = entries.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
            let headers = map(&entries);
            let _ = of_account(&headers, &Constraints::default());
            let _ = of_container(&headers, &Constraints::default());
            let _ = of_object(&headers, &Constraints::default(), &[]);
        }
    }
}
