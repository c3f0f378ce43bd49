//! The names a page may show, as one half-open range of bytes.

use common::functional::listing::{Query, Rollup};

/// Behind every segment and every name: names are UTF-8, which has no such byte.
pub(super) const END: &[u8] = &[0xff];

/// The names from `from` on and below `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) from: Vec<u8>,
    pub(super) to: Vec<u8>,
}

impl Range {
    /// Prefix, marker and end marker of `query`, together.
    pub(super) fn of(query: &Query) -> Self {
        let (low, high) = if query.reverse {
            (&query.end_marker, &query.marker)
        } else {
            (&query.marker, &query.end_marker)
        };
        let prefix = query.prefix.as_bytes();
        let mut range = Self {
            from: prefix.to_vec(),
            to: if prefix.is_empty() {
                END.to_vec()
            } else {
                behind(prefix)
            },
        };
        if !low.is_empty() {
            range.raise(after(low.as_bytes()));
        }
        if query.rollup == Rollup::Directory {
            range.raise(after(prefix));
        }
        if !high.is_empty() {
            range.lower(high.clone().into_bytes());
        }
        range
    }

    /// Leaves out what is below `from`.
    pub(super) fn raise(&mut self, from: Vec<u8>) {
        if from > self.from {
            self.from = from;
        }
    }

    /// Leaves out what is not below `to`.
    pub(super) fn lower(&mut self, to: Vec<u8>) {
        if to < self.to {
            self.to = to;
        }
    }

    /// Only what lies in the directory `name`, and its own object.
    pub(super) fn within(&self, name: &[u8]) -> Self {
        let mut range = self.clone();
        range.raise(name.to_vec());
        range.lower(behind(name));
        range
    }

    /// Whether `name` is in.
    pub(super) fn contains(&self, name: &[u8]) -> bool {
        name >= self.from.as_slice() && name < self.to.as_slice()
    }

    /// Whether names in the directory `name` can be in.
    pub(super) fn meets(&self, name: &[u8]) -> bool {
        name < self.to.as_slice() && self.from < behind(name)
    }

    /// Whether all names in the directory `name`, and its own, are in.
    pub(super) fn covers(&self, name: &[u8]) -> bool {
        name >= self.from.as_slice() && behind(name) <= self.to
    }

    /// Which segments below the directory `name` can be in, or have names below them that are: from, to.
    pub(super) fn segments(&self, name: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let from = match self.from.strip_prefix(name) {
            Some(rest) => first_segment(rest).to_vec(),
            None => Vec::new(),
        };
        let to = match self.to.strip_prefix(name) {
            // Nothing but the directory itself starts with its segment.
            _ if from.ends_with(b"/") && self.to == behind(&[name, &from].concat()) => after(&from),
            None | Some([]) => END.to_vec(),
            Some(rest) => {
                let segment = first_segment(rest);
                if segment.len() < rest.len() {
                    after(segment)
                } else {
                    segment.to_vec()
                }
            }
        };
        (from, to)
    }
}

/// The least name greater than `name`.
pub(super) fn after(name: &[u8]) -> Vec<u8> {
    [name, b"\0"].concat()
}

/// The least name greater than all that start with `start`, which is not empty and UTF-8.
pub(super) fn behind(start: &[u8]) -> Vec<u8> {
    let mut behind = start.to_vec();
    if let Some(last) = behind.last_mut() {
        *last = last.saturating_add(1);
    }
    behind
}

fn first_segment(rest: &[u8]) -> &[u8] {
    match rest.iter().position(|byte| *byte == b'/') {
        Some(slash) => &rest[..=slash],
        None => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(marker: &str, end_marker: &str, prefix: &str) -> Range {
        Range::of(&Query {
            marker: marker.into(),
            end_marker: end_marker.into(),
            prefix: prefix.into(),
            ..Query::default()
        })
    }

    #[test]
    fn a_prefix_leads_down_one_way() {
        let range = range("", "", "a/b/c");
        assert_eq!(range.segments(b""), (b"a/".to_vec(), b"a/\0".to_vec()));
        assert_eq!(range.segments(b"a/"), (b"b/".to_vec(), b"b/\0".to_vec()));
        assert_eq!(range.segments(b"a/b/"), (b"c".to_vec(), b"d".to_vec()));
        assert_eq!(range.segments(b"a/b/c/"), (Vec::new(), END.to_vec()));
    }

    #[test]
    fn a_prefix_that_is_a_directory_is_one_row() {
        let range = range("", "", "a/b/");
        assert_eq!(range.segments(b"a/"), (b"b/".to_vec(), b"b/\0".to_vec()));
        assert_eq!(range.segments(b"a/b/"), (Vec::new(), END.to_vec()));
    }

    #[test]
    fn a_marker_enters_its_directory() {
        let range = range("a/b", "", "");
        assert_eq!(range.segments(b""), (b"a/".to_vec(), END.to_vec()));
        assert_eq!(range.segments(b"a/"), (b"b\0".to_vec(), END.to_vec()));
        assert!(range.meets(b"a/") && !range.covers(b"a/") && !range.contains(b"a/b"));
        assert!(range.covers(b"b/"));
    }

    #[test]
    fn an_end_marker_that_is_a_directory_keeps_it_out() {
        let range = range("", "a/", "");
        assert_eq!(range.segments(b""), (Vec::new(), b"a/".to_vec()));
        assert!(!range.meets(b"a/"));
    }

    #[test]
    fn reverse_exchanges_the_markers() {
        let query = Query {
            marker: "m".into(),
            end_marker: "c".into(),
            reverse: true,
            ..Query::default()
        };
        let range = Range::of(&query);
        assert!(range.contains(b"d") && !range.contains(b"c") && !range.contains(b"m"));
    }
}
