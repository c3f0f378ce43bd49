//! What a listing shows, as a plain loop over all names: the yardstick every other way of listing is held to.

use std::collections::BTreeSet;

use common::functional::listing::{Query, Rollup};

/// One line of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A name as it is.
    Name(String),
    /// Names rolled up, as far as and with the delimiter.
    Subdir(String),
}

/// The page of `names` that `query` asks for.
pub fn page<'a>(names: impl IntoIterator<Item = &'a str>, query: &Query) -> Vec<Line> {
    let names: BTreeSet<&str> = names.into_iter().collect();
    let ordered: Vec<&str> = if query.reverse {
        names.into_iter().rev().collect()
    } else {
        names.into_iter().collect()
    };
    let mut page = Vec::new();
    for name in ordered {
        if page.len() == query.limit {
            break;
        }
        let Some(line) = line(name, query) else { continue };
        let is_marker = matches!(&line, Line::Subdir(subdir) if subdir == query.low_marker());
        if !is_marker && page.last() != Some(&line) {
            page.push(line);
        }
    }
    page
}

/// What becomes of one name; `None` when it is left out.
fn line(name: &str, query: &Query) -> Option<Line> {
    let is_behind = |marker: &str| match query.reverse {
        false => name > marker,
        true => name < marker,
    };
    let is_past_marker = query.marker.is_empty() || is_behind(&query.marker);
    let is_before_end =
        query.end_marker.is_empty() || (name != query.end_marker && !is_behind(&query.end_marker));
    if !is_past_marker || !is_before_end {
        return None;
    }
    let rest = name.strip_prefix(query.prefix.as_str())?;
    match &query.rollup {
        Rollup::None => Some(Line::Name(name.to_owned())),
        Rollup::Subdirs { delimiter } => Some(match rest.find(delimiter.as_str()) {
            Some(place) => {
                let end = query.prefix.len() + place + delimiter.len();
                Line::Subdir(name[..end].to_owned())
            }
            None => Line::Name(name.to_owned()),
        }),
        Rollup::Directory => {
            let is_direct = rest.find('/').is_none_or(|slash| slash + 1 == rest.len());
            (!rest.is_empty() && is_direct).then(|| Line::Name(name.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(names: &[&str], query: &Query) -> Vec<String> {
        let lines = page(names.iter().copied(), query);
        let text = |line| match line {
            Line::Name(name) => name,
            Line::Subdir(name) => format!("<{name}>"),
        };
        lines.into_iter().map(text).collect()
    }

    fn subdirs(delimiter: &str) -> Query {
        Query {
            rollup: Rollup::Subdirs {
                delimiter: delimiter.into(),
            },
            ..Query::default()
        }
    }

    const NAMES: &[&str] = &["photos/a", "photos/b/c", "readme", "photos", "photos-2"];

    #[test]
    fn names_and_subdirs_compete_in_one_order() {
        assert_eq!(
            show(NAMES, &subdirs("/")),
            ["photos", "photos-2", "<photos/>", "readme"]
        );
        let query = Query {
            reverse: true,
            limit: 2,
            ..subdirs("/")
        };
        assert_eq!(show(NAMES, &query), ["readme", "<photos/>"]);
    }

    #[test]
    fn a_subdir_that_is_the_marker_is_not_repeated() {
        let query = Query {
            marker: "photos/".into(),
            ..subdirs("/")
        };
        assert_eq!(show(NAMES, &query), ["readme"]);
        let query = Query {
            marker: "photos/a".into(),
            ..subdirs("/")
        };
        assert_eq!(show(NAMES, &query), ["<photos/>", "readme"]);
        let query = Query {
            end_marker: "photos/".into(),
            reverse: true,
            ..subdirs("/")
        };
        assert_eq!(show(NAMES, &query), ["readme"]);
    }

    #[test]
    fn a_leading_delimiter_rolls_up_to_itself() {
        assert_eq!(show(&["/a", "/b/c", "d"], &subdirs("/")), ["</>", "d"]);
    }

    #[test]
    fn a_delimiter_of_several_characters_is_one() {
        let names = ["test-'baz", "test-&foo", "test-&bar", "test-'&x"];
        assert_eq!(
            show(&names, &subdirs("-&")),
            ["<test-&>", "test-'&x", "test-'baz"]
        );
    }

    #[test]
    fn a_directory_lists_what_is_right_below() {
        let names = [
            "photos/",
            "photos/a",
            "photos/b/",
            "photos/b/c",
            "photos//",
            "readme",
        ];
        let query = Query {
            prefix: "photos/".into(),
            rollup: Rollup::Directory,
            ..Query::default()
        };
        assert_eq!(show(&names, &query), ["photos//", "photos/a", "photos/b/"]);
        let query = Query {
            rollup: Rollup::Directory,
            ..Query::default()
        };
        assert_eq!(show(&names, &query), ["photos/", "readme"]);
    }

    #[test]
    fn crossed_markers_show_nothing() {
        let query = Query {
            marker: "a".into(),
            end_marker: "z".into(),
            reverse: true,
            ..Query::default()
        };
        assert_eq!(show(NAMES, &query), Vec::<String>::new());
    }
}
