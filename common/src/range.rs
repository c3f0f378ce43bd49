//! Byte ranges (RFC 9110 §14), as Swift reads and answers them.

use serde::{Deserialize, Serialize};

/// More ranges than this are refused (Swift: `MAX_RANGES`).
const MAX_RANGES: usize = 50;
/// More overlapping neighbours than this are refused (Swift: `MAX_RANGE_OVERLAPS`).
const MAX_OVERLAPS: usize = 2;
/// As many ranges as this, or more, must ascend (Swift: `MAX_NONASCENDING_RANGES`).
const MAX_UNORDERED: usize = 8;

/// The ranges of a `Range` header, as the client wrote them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ranges(Vec<Range>);

/// One range as written: `first-last`, `first-` or `-suffix`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Range {
    /// From the first byte to the last, both included.
    Closed(u64, u64),
    /// From this byte to the end.
    From(u64),
    /// So many last bytes.
    Suffix(u64),
}

/// A range that lies within an object: `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByteRange {
    /// The first byte.
    pub first: u64,
    /// The last byte.
    pub last: u64,
}

impl ByteRange {
    /// Bytes in it.
    pub fn length(self) -> u64 {
        self.last - self.first + 1
    }
}

/// What ranges are of an object of known size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// The whole object, with status 200.
    Whole,
    /// These bytes, with status 206; at least one range.
    Parts(Vec<ByteRange>),
    /// None, status 416.
    Unsatisfiable,
}

impl Ranges {
    /// Reads a `Range` header; `None` is one that is no byte range, which is answered with the whole object.
    ///
    /// Spaces and the case of `bytes` do not matter.
    pub fn parse(header: &str) -> Option<Self> {
        let compact: String = header
            .chars()
            .filter(|char| !char.is_ascii_whitespace())
            .collect();
        let (unit, list) = compact.split_once('=')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        list.split(',')
            .map(Range::parse)
            .collect::<Option<Vec<_>>>()
            .map(Self)
    }

    /// One range.
    pub fn single(range: Range) -> Self {
        Self(vec![range])
    }

    /// Which bytes these are of an object of `size` bytes.
    pub fn resolve(&self, size: u64) -> Resolved {
        let resolved: Vec<_> = self.0.iter().filter_map(|range| range.resolve(size)).collect();
        if resolved.is_empty() {
            // A suffix of nothing is all of nothing.
            let is_all = size == 0 && self.0.iter().any(|range| matches!(range, Range::Suffix(1..)));
            return if is_all {
                Resolved::Whole
            } else {
                Resolved::Unsatisfiable
            };
        }
        if self.0.len() > MAX_RANGES || is_abusive(&resolved) {
            return Resolved::Unsatisfiable;
        }
        Resolved::Parts(resolved)
    }
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-')?;
        let number = |digits: &str| -> Option<u64> {
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            // A number beyond any object is as good as the greatest.
            Some(digits.parse().unwrap_or(u64::MAX))
        };
        match (first, last) {
            ("", suffix) => number(suffix).map(Self::Suffix),
            (first, "") => number(first).map(Self::From),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::Closed(first, last))
            }
        }
    }

    fn resolve(self, size: u64) -> Option<ByteRange> {
        let end = size.checked_sub(1)?;
        match self {
            Self::Closed(first, last) => (first <= end).then(|| ByteRange {
                first,
                last: last.min(end),
            }),
            Self::From(first) => (first <= end).then_some(ByteRange { first, last: end }),
            Self::Suffix(0) => None,
            Self::Suffix(length) => Some(ByteRange {
                first: size.saturating_sub(length),
                last: end,
            }),
        }
    }
}

fn is_abusive(ranges: &[ByteRange]) -> bool {
    let pairs = || ranges.windows(2);
    let descending = pairs().filter(|pair| pair[0].first >= pair[1].first).count();
    let mut sorted = ranges.to_vec();
    sorted.sort_by_key(|range| (range.first, range.last));
    let overlaps = sorted
        .windows(2)
        .filter(|pair| pair[1].first <= pair[0].last)
        .count();
    overlaps > MAX_OVERLAPS || (descending > 0 && ranges.len() >= MAX_UNORDERED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn resolve(header: &str, size: u64) -> Option<Resolved> {
        Ranges::parse(header).map(|ranges| ranges.resolve(size))
    }

    fn parts(list: &[(u64, u64)]) -> Option<Resolved> {
        Some(Resolved::Parts(
            list.iter()
                .map(|&(first, last)| ByteRange { first, last })
                .collect(),
        ))
    }

    #[test]
    fn satisfiable_ranges() {
        assert_eq!(resolve("bytes=0-4", 10), parts(&[(0, 4)]));
        assert_eq!(resolve("BYTES = 0 - 999", 10), parts(&[(0, 9)]));
        assert_eq!(resolve("bytes=3-", 10), parts(&[(3, 9)]));
        assert_eq!(resolve("bytes=-3", 10), parts(&[(7, 9)]));
        assert_eq!(resolve("bytes=-30", 10), parts(&[(0, 9)]));
        assert_eq!(resolve("bytes=0-1,20-30,4-5", 10), parts(&[(0, 1), (4, 5)]));
    }

    #[test]
    fn unsatisfiable_ranges() {
        assert_eq!(resolve("bytes=10-", 10), Some(Resolved::Unsatisfiable));
        assert_eq!(resolve("bytes=-0", 10), Some(Resolved::Unsatisfiable));
        assert_eq!(resolve("bytes=0-0", 0), Some(Resolved::Unsatisfiable));
        assert_eq!(resolve("bytes=-5", 0), Some(Resolved::Whole));
    }

    #[test]
    fn malformed_ranges_are_ignored() {
        for header in [
            "0-4",
            "parsecs=8-12",
            "bytes=5-2",
            "bytes=",
            "bytes=a-b",
            "bytes=1-2,x",
            "bytes=+1-2",
            "bytes=--1",
        ] {
            assert_eq!(resolve(header, 10), None, "{header}");
        }
    }

    #[test]
    fn abuse_is_refused() {
        let many: Vec<_> = (0..51).map(|at| format!("{}-{}", at * 2, at * 2)).collect();
        assert_eq!(
            resolve(&format!("bytes={}", many.join(",")), 1000),
            Some(Resolved::Unsatisfiable)
        );
        assert_eq!(
            resolve("bytes=0-9,0-9,0-9,0-9", 10),
            Some(Resolved::Unsatisfiable)
        );
        assert_eq!(
            resolve("bytes=70-71,60-61,50-51,40-41,30-31,20-21,10-11,0-1", 100),
            Some(Resolved::Unsatisfiable)
        );
    }

    proptest! {
        #[test]
        fn every_part_lies_within_the_object(header in "bytes=[0-9,-]{0,20}", size in 0..100_u64) {
            if let Some(Resolved::Parts(parts)) = resolve(&header, size) {
                prop_assert!(!parts.is_empty());
                for part in parts {
                    prop_assert!(part.first <= part.last && part.last < size);
                }
            }
        }
    }
}
