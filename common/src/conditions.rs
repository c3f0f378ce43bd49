//! Conditional requests (RFC 9110 §13), in the order in which Swift evaluates them.

use std::time::UNIX_EPOCH;

use http::HeaderMap;
use http::header;
use serde::{Deserialize, Serialize};

use crate::functional::object::Info;
use crate::{Error, Etag, Outcome};

/// What a client wants to hold before an object is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Conditions {
    /// `If-Match`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub if_match: Option<EtagList>,
    /// `If-None-Match`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub if_none_match: Option<EtagList>,
    /// `If-Modified-Since`, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub if_modified_since: Option<u64>,
    /// `If-Unmodified-Since`, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub if_unmodified_since: Option<u64>,
}

/// A comma-separated list of entity tags, or `*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EtagList {
    /// `*`: any object.
    Any,
    /// One of these.
    OneOf(Vec<Etag>),
}

impl EtagList {
    /// Reads the value of `If-Match` or `If-None-Match`.
    pub fn parse(header: &str) -> Self {
        let tags: Vec<_> = header
            .split(',')
            .map(Etag::new)
            .filter(|etag| !etag.is_unknown())
            .collect();
        if tags.iter().any(|etag| etag.as_str() == "*") {
            Self::Any
        } else {
            Self::OneOf(tags)
        }
    }

    fn contains(&self, etag: &Etag) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(tags) => !etag.is_unknown() && tags.contains(etag),
        }
    }
}

impl Conditions {
    /// Reads the four headers. A date that cannot be read is as if it were not there.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        if headers.is_empty() {
            return Self::default();
        }
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let seconds = |name| {
            let date = httpdate::parse_http_date(text(name)?).ok()?;
            Some(date.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
        };
        Self {
            if_match: text(header::IF_MATCH).map(EtagList::parse),
            if_none_match: text(header::IF_NONE_MATCH).map(EtagList::parse),
            if_modified_since: seconds(header::IF_MODIFIED_SINCE),
            if_unmodified_since: seconds(header::IF_UNMODIFIED_SINCE),
        }
    }

    /// Whether an existing object may be read under these conditions.
    ///
    /// # Errors
    /// 304 or 412 with the object.
    pub fn check(&self, info: &Info) -> Result<(), Error> {
        let not_modified = || Err(Outcome::NotModified(Box::new(info.clone())).into());
        let failed = || Err(Outcome::PreconditionFailed(Some(Box::new(info.clone()))).into());
        let modified = info.timestamp.seconds_up();
        if self
            .if_none_match
            .as_ref()
            .is_some_and(|list| list.contains(&info.etag))
        {
            return not_modified();
        }
        if self
            .if_match
            .as_ref()
            .is_some_and(|list| !list.contains(&info.etag))
        {
            return failed();
        }
        if self.if_modified_since.is_some_and(|since| modified <= since) {
            return not_modified();
        }
        if self.if_unmodified_since.is_some_and(|since| modified > since) {
            return failed();
        }
        Ok(())
    }

    /// What a missing object is answered with under these conditions: 412 for `If-Match: *`, else 404.
    pub fn missing(&self) -> Error {
        match self.if_match {
            Some(EtagList::Any) => Outcome::PreconditionFailed(None).into(),
            _ => Error::not_found(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    const MD5: &str = "0cc175b9c0f1b6a831c399e269772661";

    fn status(headers: &[(&'static str, &str)]) -> u16 {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let info = Info::plain(1, MD5, Timestamp::from_seconds(784_111_777)); // Sun, 06 Nov 1994 08:49:37 GMT
        Conditions::from_headers(&map)
            .check(&info)
            .map_or_else(|error| error.status().as_u16(), |()| 200)
    }

    #[test]
    fn etags() {
        assert_eq!(status(&[("if-match", &format!("\"x\", \"{MD5}\""))]), 200);
        assert_eq!(status(&[("if-match", MD5)]), 200);
        assert_eq!(status(&[("if-match", "*")]), 200);
        assert_eq!(status(&[("if-match", "x")]), 412);
        assert_eq!(status(&[("if-none-match", MD5)]), 304);
        assert_eq!(status(&[("if-none-match", "*")]), 304);
        assert_eq!(status(&[("if-none-match", "x")]), 200);
    }

    #[test]
    fn dates_in_three_forms() {
        let same = [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ];
        for date in same {
            assert_eq!(status(&[("if-modified-since", date)]), 304, "{date}");
            assert_eq!(status(&[("if-unmodified-since", date)]), 200, "{date}");
        }
        assert_eq!(
            status(&[("if-unmodified-since", "Sun, 06 Nov 1994 08:49:36 GMT")]),
            412
        );
        assert_eq!(
            status(&[("if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT")]),
            200
        );
        assert_eq!(status(&[("if-modified-since", "yesterday")]), 200);
    }

    #[test]
    fn the_first_that_hits_decides() {
        assert_eq!(status(&[("if-none-match", MD5), ("if-match", "x")]), 304);
        assert_eq!(
            status(&[
                ("if-match", "x"),
                ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")
            ]),
            412
        );
    }

    #[test]
    fn a_missing_object() {
        let any = Conditions {
            if_match: Some(EtagList::Any),
            ..Conditions::default()
        };
        assert_eq!(any.missing().status(), 412);
        assert_eq!(Conditions::default().missing().status(), 404);
    }
}
