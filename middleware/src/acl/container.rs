//! `X-Container-Read` and `X-Container-Write`: groups, and in the read list also referrers and `.rlistings`.

use common::Error;
use percent_encoding::percent_decode_str;

/// A container's list, ready to be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerAcl {
    groups: Vec<String>,
    referrers: Vec<Referrer>,
    /// Whether those who come in by their referrer may also list.
    listings: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Referrer {
    is_denied: bool,
    host: Host,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Any,
    /// With its dot.
    Suffix(String),
    Exact(String),
}

impl ContainerAcl {
    /// Reads the stored form.
    pub fn parse(text: &str) -> Self {
        let mut acl = Self::default();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            if item == ".rlistings" {
                acl.listings = true;
            } else if let Some(host) = item.strip_prefix(".r:") {
                acl.referrers.push(Referrer::parse(host));
            } else if let Ok(group) = percent_decode_str(item).decode_utf8() {
                acl.groups.push(group.into_owned());
            }
        }
        acl
    }

    /// Whether one of `groups` is in the list.
    pub fn admits_any(&self, groups: &[String]) -> bool {
        groups.iter().any(|group| self.groups.contains(group))
    }

    /// Whether whoever comes from `referrer`, a `Referer` header, may read objects. The last item that fits decides.
    pub fn admits_referrer(&self, referrer: Option<&str>) -> bool {
        if self.referrers.is_empty() {
            return false;
        }
        let host = referrer.and_then(host_of).unwrap_or_else(|| "unknown".to_owned());
        let last = self.referrers.iter().rev().find(|item| item.host.fits(&host));
        last.is_some_and(|item| !item.is_denied)
    }

    /// Whether those who may read objects by their referrer may also list the container.
    pub fn admits_listings(&self) -> bool {
        self.listings
    }
}

impl Referrer {
    fn parse(text: &str) -> Self {
        let (is_denied, host) = match text.strip_prefix('-') {
            Some(host) => (true, host),
            None => (false, text),
        };
        let host = host.trim().to_ascii_lowercase();
        let host = if host == "*" {
            Host::Any
        } else if host.starts_with('.') {
            Host::Suffix(host)
        } else {
            Host::Exact(host)
        };
        Self { is_denied, host }
    }
}

impl Host {
    fn fits(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Suffix(suffix) => host.ends_with(suffix.as_str()),
            Self::Exact(exact) => host == exact,
        }
    }
}

/// The host in a `Referer` header, in lower case.
fn host_of(referrer: &str) -> Option<String> {
    let rest = match referrer.find("//") {
        Some(0) => &referrer[2..],
        Some(at) if referrer[..at].ends_with(':') => &referrer[at + 2..],
        _ => return None,
    };
    let authority = rest.split(['/', '?', '#']).next()?;
    let address = authority.rsplit('@').next()?;
    let host = match address.strip_prefix('[') {
        Some(address) => address.split(']').next()?,
        None => address.split(':').next()?,
    };
    (!host.is_empty()).then(|| host.to_ascii_lowercase())
}

/// The form in which a container's list is kept, of what came in the header `name`.
///
/// # Errors
/// 400 that says which item makes no sense.
pub fn clean_acl(name: &str, value: &str) -> Result<String, Error> {
    let is_write = name.to_ascii_lowercase().contains("write");
    let items = value.split(',').map(str::trim).filter(|item| !item.is_empty());
    let items: Result<Vec<_>, _> = items.map(|item| clean_item(item, is_write)).collect();
    let items = items.map_err(|why| Error::bad_request(format!("{name}: {why}")))?;
    Ok(items.join(","))
}

fn clean_item(item: &str, is_write: bool) -> Result<String, String> {
    let Some((designator, rest)) = item.split_once(':') else {
        return Ok(item.to_owned());
    };
    let (designator, rest) = (designator.trim(), rest.trim());
    if !designator.starts_with('.') {
        return Ok(item.to_owned());
    }
    if !matches!(designator, ".r" | ".ref" | ".referer" | ".referrer") {
        return Err(format!(
            "{designator:?} in {item:?} is no designator; expected .r"
        ));
    }
    if is_write {
        return Err(format!("a write list cannot name referrers: {item:?}"));
    }
    let (minus, host) = match rest.strip_prefix('-') {
        Some(host) => ("-", host.trim()),
        None => ("", rest),
    };
    let host = match host {
        "*" => host,
        _ => host.trim_start_matches(|sign: char| sign == '*' || sign.is_whitespace()),
    };
    // A minus is no host either, and would make the kept list mean the opposite.
    if host.is_empty() || host == "." || host.starts_with('-') {
        return Err(format!("there is no host in {item:?}"));
    }
    Ok(format!(".r:{minus}{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn clean(value: &str) -> Option<String> {
        clean_acl("X-Container-Read", value).ok()
    }

    #[test]
    fn a_list_is_brought_to_one_form() {
        assert_eq!(clean(" a , b:c ,,").as_deref(), Some("a,b:c"));
        assert_eq!(clean(".referrer : *").as_deref(), Some(".r:*"));
        assert_eq!(clean(".ref:*.example.com").as_deref(), Some(".r:.example.com"));
        assert_eq!(
            clean(".referer: - *.example.com").as_deref(),
            Some(".r:-.example.com")
        );
        assert_eq!(
            clean(".r:example.com,.rlistings").as_deref(),
            Some(".r:example.com,.rlistings")
        );
        assert_eq!(clean("").as_deref(), Some(""));
        assert_eq!(
            clean_acl("X-Container-Write", "a: b").ok().as_deref(),
            Some("a: b")
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for value in [".r:", ".r:-", ".r: - ", ".r:.", ".r:*.", ".foo:bar", ".:x"] {
            let error = clean_acl("X-Container-Read", value).unwrap_err();
            assert_eq!(error.status(), 400, "{value}");
            assert!(error.text().unwrap().starts_with("X-Container-Read"));
        }
        assert!(clean_acl("X-Container-Write", ".r:*").is_err());
        assert!(clean_acl("x-container-write", "a,.ref:example.com").is_err());
    }

    fn admits(acl: &str, referrer: &str) -> bool {
        ContainerAcl::parse(acl).admits_referrer(Some(referrer))
    }

    #[test]
    fn the_last_referrer_that_fits_decides() {
        assert!(admits(".r:*", "http://evil.com/"));
        assert!(!admits(".r:*,.r:-evil.com", "http://evil.com/x"));
        assert!(admits(".r:-evil.com,.r:*", "http://evil.com/x"));
        assert!(admits(".r:.example.com", "https://me:pw@www.EXAMPLE.com:8080?q"));
        assert!(!admits(".r:.example.com", "http://example.com/"));
        assert!(!admits(".r:.example.com", "http://example.com.evil.com/"));
        assert!(!admits(
            ".r:*,.r:-.thief.example.com",
            "http://good.thief.example.com"
        ));
        assert!(admits(".r:::1", "http://[::1]:80/"));
        assert!(!admits("a,b", "http://example.com"));
    }

    #[test]
    fn without_a_referrer_only_everybody_fits() {
        assert!(ContainerAcl::parse(".r:*").admits_referrer(None));
        assert!(!ContainerAcl::parse(".r:example.com").admits_referrer(None));
        assert!(!admits(".r:example.com", "example.com/page"));
        assert!(!admits(".r:example.com", "http:///page"));
    }

    #[test]
    fn groups_are_percent_decoded() {
        let acl = ContainerAcl::parse("test:tester%2C3,other");
        assert!(acl.admits_any(&["test:tester,3".to_owned()]));
        assert!(!acl.admits_any(&["test".to_owned()]));
        assert!(!acl.admits_listings());
        assert!(ContainerAcl::parse(".r:*,.rlistings").admits_listings());
    }

    proptest! {
        #[test]
        fn no_list_panics(value in "[ .r:*,a-]{0,30}|.{0,60}", referrer in "[a-z:/@\\[\\].]{0,20}|.{0,40}") {
            ContainerAcl::parse(&value).admits_referrer(Some(&referrer));
            if let Ok(cleaned) = clean_acl("X-Container-Read", &value) {
                prop_assert_eq!(clean_acl("X-Container-Read", &cleaned).unwrap(), cleaned);
            }
        }
    }
}
