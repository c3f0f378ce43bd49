//! The URL space: `/v1/{account}[/{container}[/{object}]]`, decoded once and cut into checked names.

use common::functional::object;
use common::name::{AccountName, ContainerName, NameError, ObjectName};
use common::{Error, Outcome};
use percent_encoding::percent_decode_str;

/// What a resource URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    /// An account.
    Account(AccountName),
    /// A container in an account.
    Container(AccountName, ContainerName),
    /// An object in a container.
    Object(object::Path),
}

impl Resource {
    /// Reads the path of a request's target.
    ///
    /// # Errors
    /// 412 for what is no resource URL at all, 404 for an empty account or container, 400 for an unknown version
    /// and for names that are too long.
    pub(super) fn parse(path: &str) -> Result<Self, Error> {
        let decoded = percent_decode_str(path)
            .decode_utf8()
            .ok()
            .filter(|decoded| !decoded.contains('\0'))
            .ok_or_else(|| Error::precondition_failed("Invalid UTF8 or contains NULL"))?;
        let mut segments = decoded.strip_prefix('/').unwrap_or(&decoded).splitn(4, '/');
        let version = segments.next().unwrap_or_default();
        let [account, container, object] = [segments.next(), segments.next(), segments.next()];
        if version.is_empty() {
            return Err(Error::not_found());
        }
        let account = match (account, container) {
            (None | Some(""), None) => return Err(Error::precondition_failed("Bad URL")),
            (None | Some(""), Some(_)) => return Err(Error::not_found()),
            (Some(account), _) => account,
        };
        if !matches!(version, "v1" | "v1.0") {
            return Err(Error::bad_request("Unknown version of the API; use /v1"));
        }
        let account = name(AccountName::new(account))?;
        let container = match (container, object) {
            (None | Some(""), None) => return Ok(Self::Account(account)),
            (None | Some(""), Some(_)) => return Err(Error::not_found()),
            (Some(container), _) => name(ContainerName::new(container))?,
        };
        match object {
            None | Some("") => Ok(Self::Container(account, container)),
            Some(object) => Ok(Self::Object(object::Path {
                account,
                container,
                object: name(ObjectName::new(object))?,
            })),
        }
    }

    /// The methods that the resource knows.
    pub(super) fn methods(&self, accounts_may_go: bool) -> &'static [&'static str] {
        match self {
            Self::Account(_) if accounts_may_go => &["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"],
            Self::Account(_) => &["GET", "HEAD", "POST", "OPTIONS"],
            Self::Container(..) => &["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"],
            Self::Object(_) => &[
                "GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "COPY", "MKCOL", "MOVE",
            ],
        }
    }
}

/// 405 with the methods that there are.
pub(super) fn method_not_allowed(methods: &[&str]) -> Error {
    Outcome::MethodNotAllowed(methods.iter().map(|&method| method.to_owned()).collect()).into()
}

/// A name as it stands, or 400 that says what is wrong with it.
pub(super) fn name<N>(name: Result<N, NameError>) -> Result<N, Error> {
    name.map_err(|error| Error::bad_request(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(path: &str) -> String {
        match Resource::parse(path) {
            Ok(Resource::Account(account)) => format!("{account}"),
            Ok(Resource::Container(account, container)) => format!("{account}|{container}"),
            Ok(Resource::Object(path)) => format!("{}|{}|{}", path.account, path.container, path.object),
            Err(error) => match error.text() {
                Some(text) => format!("{} {text}", error.status().as_u16()),
                None => error.status().as_u16().to_string(),
            },
        }
    }

    #[test]
    fn resources() {
        assert_eq!(shown("/v1/a"), "a");
        assert_eq!(shown("/v1.0/a/"), "a");
        assert_eq!(shown("/v1/a/c"), "a|c");
        assert_eq!(shown("/v1/a/c/"), "a|c");
        assert_eq!(shown("/v1/a/c/o"), "a|c|o");
        assert_eq!(shown("/v1/a/c/o/p/"), "a|c|o/p/");
        assert_eq!(shown("/v1/a/c//o"), "a|c|/o");
        assert_eq!(shown("/v1/a/c//"), "a|c|/");
    }

    #[test]
    fn a_path_is_decoded_once() {
        assert_eq!(shown("/v1/a/c/o%2Fp"), "a|c|o/p");
        assert_eq!(shown("/v1/a/c/%252F"), "a|c|%2F");
        assert_eq!(shown("/v1/a/c/%2e%2e/x"), "a|c|../x");
        assert_eq!(shown("/v1/a/c/%C3%A4%20b+c"), "a|c|ä b+c");
        assert_eq!(shown("/v1/a/c/100%"), "a|c|100%");
    }

    #[test]
    fn what_is_no_resource() {
        for path in ["/v1", "/v1/", "/info asdf", "/x"] {
            assert_eq!(shown(path), "412 Bad URL", "{path}");
        }
        for path in [
            "/", "//v1/A", "/v1//c", "/v1//c/o", "/v1/a//o", "/v1///o", "/v2//c",
        ] {
            assert_eq!(shown(path), "404", "{path}");
        }
        for path in ["/v1/%ff", "/v1/a/c/a%00b", "/%00", "/v1/a/%c3"] {
            assert_eq!(shown(path), "412 Invalid UTF8 or contains NULL", "{path}");
        }
        assert!(shown("/v2/A").starts_with("400"));
        assert!(shown(&format!("/v1/{}", "a".repeat(257))).starts_with("400"));
        assert!(shown(&format!("/v1/a/{}", "c".repeat(257))).starts_with("400"));
        assert!(shown(&format!("/v1/a/c/{}", "o".repeat(1025))).starts_with("400"));
        assert_eq!(shown(&format!("/v1/a/c/{}", "o".repeat(1024))).len(), 4 + 1024);
    }

    proptest! {
        #[test]
        fn no_path_panics(path in "/?(v1|v2)?/?[a%0-9/\u{e4}.]{0,40}") {
            let _ = Resource::parse(&path);
        }

        #[test]
        fn any_object_name_arrives(name in "[^\0]{1,200}") {
            let path = format!("/v1/a/c/{}", percent_encoding::utf8_percent_encode(&name, percent_encoding::NON_ALPHANUMERIC));
            let Ok(Resource::Object(parsed)) = Resource::parse(&path) else {
                panic!("{path} is no object");
            };
            prop_assert_eq!(parsed.object.as_str(), name);
        }
    }
}
