//! The query string and what a listing reads from it (swift-api: listings, parameters).

use std::collections::HashMap;
use std::str::FromStr;

use common::functional::listing::{Query, Rollup};
use common::functional::record::{List, Marker, Results};
use common::name::AccountName;
use common::{Error, Timestamp};
use percent_encoding::percent_decode_str;

/// The parameters of a query string; of a repeated one the last counts.
#[derive(Debug)]
pub(super) struct Parameters(HashMap<String, String>);

impl Parameters {
    /// Reads what follows the question mark.
    ///
    /// # Errors
    /// 400 when a name or a value is not UTF-8.
    pub(super) fn parse(query: Option<&str>) -> Result<Self, Error> {
        let mut parameters = HashMap::new();
        for pair in query
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty())
        {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            parameters.insert(decode(name)?, decode(value)?);
        }
        Ok(Self(parameters))
    }

    /// Whether there is one of this name, whatever its value.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Whether there is one of this name that says yes.
    pub(super) fn is(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| is_truthy(value))
    }

    /// The value of the one of this name, if it has any.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.0.remove(name).filter(|value| !value.is_empty())
    }

    /// The same as what it says.
    ///
    /// # Errors
    /// 400 when it says nothing.
    pub(super) fn value<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        parsed(name, self.text(name), parse)
    }

    /// The same as a number.
    ///
    /// # Errors
    /// 400 when it is none.
    pub(super) fn number<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, Error> {
        self.value(name, |digits| digits.parse().ok())
    }

    /// All whose names begin with `prefix`, by the rest of their names in lower case.
    pub(super) fn taken_with_prefix(&self, prefix: &str) -> Vec<(String, String)> {
        let named = |(name, value): (&String, &String)| {
            Some((name.strip_prefix(prefix)?.to_ascii_lowercase(), value.clone()))
        };
        let mut taken: Vec<_> = self.0.iter().filter_map(named).collect();
        taken.sort_unstable();
        taken
    }

    /// Which records of what was done in `account` are asked for.
    ///
    /// # Errors
    /// 400 that says what makes no sense.
    pub(super) fn into_records(mut self, account: AccountName) -> Result<List, Error> {
        Ok(List {
            user: self.text("user"),
            path: self.text("path").map(|path| format!("{account}/{path}")),
            action: self.text("action"),
            results: self.value("result", Results::parse)?,
            since: self.value("since", moment)?,
            until: self.value("until", moment)?,
            limit: self.number("limit")?,
            marker: self.value("marker", Marker::parse)?,
            account: Some(account),
        })
    }

    fn take(&mut self, name: &str) -> String {
        self.0.remove(name).unwrap_or_default()
    }

    /// What a listing of at most `max_limit` entries is asked for; `path=` counts only for containers.
    ///
    /// # Errors
    /// 412 when `limit` is more than may be asked for.
    pub(super) fn into_listing(mut self, max_limit: usize, is_container: bool) -> Result<Query, Error> {
        let limit = self.take("limit");
        let limit = match limit.as_str() {
            digits if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().unwrap_or(usize::MAX)
            }
            _ => max_limit,
        };
        if limit > max_limit {
            return Err(Error::precondition_failed(format!(
                "Maximum limit is {max_limit}"
            )));
        }
        let mut prefix = self.take("prefix");
        let delimiter = self.take("delimiter");
        let mut rollup = if delimiter.is_empty() {
            Rollup::None
        } else {
            Rollup::Subdirs { delimiter }
        };
        if is_container && let Some(path) = self.0.remove("path") {
            prefix = if path.is_empty() {
                path
            } else {
                format!("{}/", path.trim_end_matches('/'))
            };
            rollup = Rollup::Directory;
        }
        Ok(Query {
            limit,
            marker: self.take("marker"),
            end_marker: self.take("end_marker"),
            prefix,
            rollup,
            reverse: is_truthy(&self.take("reverse")),
        })
    }
}

/// A moment as `X-Timestamp` has it, or as people write it.
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text).or_else(|| Timestamp::parse_iso(text))
}

fn parsed<T>(
    name: &str,
    text: Option<String>,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Error> {
    let Some(text) = text else { return Ok(None) };
    let value = parse(&text);
    value
        .map(Some)
        .ok_or_else(|| Error::bad_request(format!("{name}={text} makes no sense")))
}

/// Swift's notion of yes, in whatever case.
pub(super) fn is_truthy(text: &str) -> bool {
    ["true", "1", "yes", "on", "t", "y"]
        .iter()
        .any(|yes| text.trim().eq_ignore_ascii_case(yes))
}

fn decode(text: &str) -> Result<String, Error> {
    percent_decode_str(&text.replace('+', " "))
        .decode_utf8()
        .map(|text| text.into_owned())
        .map_err(|_| Error::bad_request("Query parameters must be UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn listing(query: &str) -> Result<Query, u16> {
        Parameters::parse(Some(query))
            .and_then(|parameters| parameters.into_listing(10_000, true))
            .map_err(|error| error.status().as_u16())
    }

    #[test]
    fn parameters_of_a_listing() {
        let query = listing(
            "limit=5&marker=a%20b&end_marker=c+d&prefix=%C3%A4&delimiter=-%26&reverse=TRUE&format=json",
        )
        .unwrap();
        assert_eq!(
            query,
            Query {
                limit: 5,
                marker: "a b".into(),
                end_marker: "c d".into(),
                prefix: "ä".into(),
                rollup: Rollup::Subdirs {
                    delimiter: "-&".into()
                },
                reverse: true,
            }
        );
        assert_eq!(listing(""), Ok(Query::default()));
    }

    #[test]
    fn limits() {
        for (text, limit) in [
            ("0", Ok(0)),
            ("10000", Ok(10_000)),
            ("10001", Err(412)),
            ("-1", Ok(10_000)),
            ("x", Ok(10_000)),
            ("99999999999999999999999", Err(412)),
        ] {
            assert_eq!(
                listing(&format!("limit={text}")).map(|query| query.limit),
                limit,
                "{text}"
            );
        }
    }

    #[test]
    fn a_path_takes_the_place_of_prefix_and_delimiter() {
        let path = |query: &str| {
            let query = listing(query).unwrap();
            assert_eq!(query.rollup, Rollup::Directory);
            query.prefix
        };
        assert_eq!(path("path=&prefix=x&delimiter=y"), "");
        assert_eq!(path("path=a/b"), "a/b/");
        assert_eq!(path("path=a/b//"), "a/b/");
        assert_eq!(path("path=/"), "/");
        let account = Parameters::parse(Some("path=a"))
            .unwrap()
            .into_listing(10, false)
            .unwrap();
        assert_eq!(account.rollup, Rollup::None);
    }

    #[test]
    fn records_that_are_asked_for() {
        let account = || AccountName::new("AUTH_a").unwrap();
        let of = |query: &str| Parameters::parse(Some(query)).unwrap().into_records(account());
        let all = of("records").unwrap();
        let everything = List {
            account: Some(account()),
            ..List::default()
        };
        assert_eq!(all, everything);
        let some =
            of("records&user=a:b&path=c/o&result=4xx&since=2026-01-02&until=5.5&limit=7&marker=").unwrap();
        assert_eq!(some.path.as_deref(), Some("AUTH_a/c/o"));
        assert_eq!(some.user.as_deref(), Some("a:b"));
        assert_eq!(some.results, Results::parse("4xx"));
        assert_eq!(some.since, Timestamp::parse_iso("2026-01-02"));
        assert_eq!(
            (some.until, some.limit),
            (Some(Timestamp::from_units(550_000)), Some(7))
        );
        for query in ["result=many", "since=yesterday", "limit=-1", "marker=7"] {
            assert_eq!(of(query).unwrap_err().status(), 400, "{query}");
        }
    }

    #[test]
    fn garbage_is_false() {
        for text in ["garbage", "o%3D%5B%5D%3A%3A%3A%3A%3E", "", "0", "false"] {
            assert!(!listing(&format!("reverse={text}")).unwrap().reverse, "{text}");
        }
        assert_eq!(listing("marker=%ff"), Err(400));
    }

    proptest! {
        #[test]
        fn no_query_panics(query in "[a-z=&%0-9+\u{e4}]{0,60}") {
            let _ = listing(&query);
        }
    }
}
