//! The query string and what a listing reads from it (swift-api: listings, parameters).

use std::collections::HashMap;

use common::Error;
use common::functional::listing::{Query, Rollup};
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
