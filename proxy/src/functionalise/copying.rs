//! The headers of a server-side copy (swift-api: server-side copy).

use common::Error;
use common::functional::object;
use common::name::{AccountName, ContainerName, ObjectName};
use http::{HeaderMap, HeaderValue};
use percent_encoding::percent_decode_str;

use super::route::name;

/// The object that `path_header` names, in the account that `account_header` names or else in `account`; `None`
/// when there is no such header.
///
/// # Errors
/// 412 when a header does not have its form, 400 for a name that is too long.
pub(super) fn other_end(
    headers: &HeaderMap,
    path_header: &'static str,
    account_header: &'static str,
    account: &AccountName,
) -> Result<Option<object::Path>, Error> {
    let Some(path) = headers.get(path_header) else {
        return Ok(None);
    };
    let malformed = || Error::precondition_failed(format!("{path_header} must be <container>/<object>"));
    let path = decode(path).ok_or_else(malformed)?;
    let (container, object) = path
        .strip_prefix('/')
        .unwrap_or(&path)
        .split_once('/')
        .filter(|(container, object)| !container.is_empty() && !object.is_empty())
        .ok_or_else(malformed)?;
    let account = match headers.get(account_header) {
        None => account.clone(),
        Some(account) => {
            let account = decode(account)
                .filter(|account| !account.is_empty() && !account.contains('/'))
                .ok_or_else(|| {
                    Error::precondition_failed(format!("{account_header} must be an account name"))
                })?;
            name(AccountName::new(account))?
        }
    };
    Ok(Some(object::Path {
        account,
        container: name(ContainerName::new(container))?,
        object: name(ObjectName::new(object))?,
    }))
}

fn decode(value: &HeaderValue) -> Option<String> {
    let text = std::str::from_utf8(value.as_bytes()).ok()?;
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    (!decoded.contains('\0')).then(|| decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn end(path: &str, account: Option<&str>) -> Result<String, u16> {
        let mut headers = HeaderMap::new();
        headers.insert("destination", HeaderValue::from_bytes(path.as_bytes()).unwrap());
        if let Some(account) = account {
            headers.insert(
                "destination-account",
                HeaderValue::from_bytes(account.as_bytes()).unwrap(),
            );
        }
        other_end(
            &headers,
            "destination",
            "destination-account",
            &AccountName::new("own").unwrap(),
        )
        .map(|path| path.unwrap())
        .map(|path| format!("{}|{}|{}", path.account, path.container, path.object))
        .map_err(|error| error.status().as_u16())
    }

    #[test]
    fn forms_of_a_path() {
        assert_eq!(end("c/o", None).unwrap(), "own|c|o");
        assert_eq!(end("/c/o/p", Some("AUTH_b")).unwrap(), "AUTH_b|c|o/p");
        assert_eq!(end("/c//o", None).unwrap(), "own|c|/o");
        assert_eq!(
            end("c/dealde%252Fl04%20011e", None).unwrap(),
            "own|c|dealde%2Fl04 011e"
        );
        assert_eq!(end("c/\u{e4}", None).unwrap(), "own|c|ä");
    }

    #[test]
    fn malformed_ends() {
        for path in ["", "/", "c", "/c", "c/", "/c/", "//o", "//c/o", "c/%ff", "c/%00"] {
            assert_eq!(end(path, None), Err(412), "{path}");
        }
        for account in ["", "a/b", "a%2Fb", "%ff"] {
            assert_eq!(end("c/o", Some(account)), Err(412), "{account}");
        }
        assert_eq!(end(&format!("c/{}", "o".repeat(1025)), None), Err(400));
    }

    proptest! {
        #[test]
        fn no_header_panics(path in "[/%a0\u{e4}]{0,20}", account in "[/%a0\u{e4}]{0,8}") {
            let _ = end(&path, Some(&account));
        }
    }
}
