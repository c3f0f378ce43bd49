//! What a filter of the protocol stack must know of a URL before functionalise reads it: whose resource it is.

use common::functional::Context;
use common::name::{AccountName, ContainerName};
use common::{Body, Clock, Error, Outcome};
use http::header::{HeaderValue, WWW_AUTHENTICATE};
use http::{Extensions, Response};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::TransactionId;

/// What is left as it is by Swift's quoting.
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/');

/// A path `/v1/{account}[/{container}[/{object}]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    pub(crate) account: AccountName,
    pub(crate) container: Option<ContainerName>,
    pub(crate) is_object: bool,
}

impl Resource {
    /// Reads a path as it came; `None` is one of another form, or with impossible names.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let decoded = percent_decode_str(path).decode_utf8().ok()?;
        let (version, rest) = decoded.strip_prefix('/')?.split_once('/')?;
        if !matches!(version, "v1" | "v1.0") {
            return None;
        }
        let mut parts = rest.splitn(3, '/');
        let account = AccountName::new(parts.next()?).ok()?;
        let (container, object) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        if container.is_empty() && !object.is_empty() {
            return None;
        }
        let container = match container {
            "" => None,
            name => Some(ContainerName::new(name).ok()?),
        };
        Some(Self {
            account,
            container,
            is_object: !object.is_empty(),
        })
    }
}

/// `text` as it stands in URLs and headers.
pub(crate) fn quote(text: &str) -> String {
    utf8_percent_encode(text, QUOTED).to_string()
}

/// 401 for a request to `account`, whose owner is asked to log in.
pub(crate) fn unauthorized(account: Option<&str>) -> Response<Body> {
    let mut response = Error::from(Outcome::Unauthorized).into_response();
    add_realm(&mut response, account);
    response
}

/// Says in a 401 where to log in, unless it says so already.
pub(crate) fn add_realm(response: &mut Response<Body>, account: Option<&str>) {
    let realm = format!("Swift realm=\"{}\"", account.map_or("unknown".into(), quote));
    if let Ok(realm) = HeaderValue::try_from(realm) {
        response.headers_mut().entry(WWW_AUTHENTICATE).or_insert(realm);
    }
}

/// The account that a path seems to speak of, for the realm of a 401: also of paths that are otherwise malformed.
pub(crate) fn realm_of(path: &str) -> Option<String> {
    let decoded = percent_decode_str(path).decode_utf8().ok()?;
    let (_, rest) = decoded.strip_prefix("/v")?.split_once('/')?;
    let account = rest.split('/').next()?;
    (!account.is_empty()).then(|| account.to_owned())
}

/// The context in which a protocol filter asks something on its own, in the course of a client's request.
pub(crate) fn own_context(extensions: &Extensions) -> Context {
    Context::internal(TransactionId::of(extensions), Clock::now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(path: &str) -> Option<(String, Option<String>, bool)> {
        let resource = Resource::parse(path)?;
        let container = resource.container.map(|name| name.to_string());
        Some((resource.account.to_string(), container, resource.is_object))
    }

    #[test]
    fn resources_of_all_kinds() {
        let container = || Some("c d".to_owned());
        assert_eq!(parse("/v1/A"), Some(("A".into(), None, false)));
        assert_eq!(parse("/v1.0/A/"), Some(("A".into(), None, false)));
        assert_eq!(parse("/v1/A/c%20d"), Some(("A".into(), container(), false)));
        assert_eq!(parse("/v1/A/c%20d/"), Some(("A".into(), container(), false)));
        assert_eq!(parse("/v1/A/c%20d/o/p"), Some(("A".into(), container(), true)));
        assert_eq!(parse("/v1/A/c%20d//"), Some(("A".into(), container(), true)));
    }

    #[test]
    fn other_paths_are_none() {
        for path in [
            "/", "/v1", "/v1/", "/v2/A", "/info", "/v1//c", "/v1/A//o", "/v1/%ff", "v1/A",
        ] {
            assert_eq!(parse(path), None, "{path}");
        }
    }

    #[test]
    fn the_realm_is_quoted() {
        let realm = |path| {
            let response = unauthorized(realm_of(path).as_deref());
            response.headers()["www-authenticate"]
                .to_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(realm("/v1/AUTH_a/c"), "Swift realm=\"AUTH_a\"");
        assert_eq!(
            realm("/v1/AUTH_a%22%0aX-Evil: b"),
            "Swift realm=\"AUTH_a%22%0AX-Evil%3A%20b\""
        );
        for path in ["/v1/", "/v1", "/f/user/put", "/"] {
            assert_eq!(realm(path), "Swift realm=\"unknown\"");
        }
        assert_eq!(realm("/v1/%ff"), "Swift realm=\"unknown\"");
    }

    proptest! {
        #[test]
        fn no_path_panics(path in "[/v1.%a0f]{0,20}|.{0,40}") {
            Resource::parse(&path);
            realm_of(&path);
        }
    }
}
