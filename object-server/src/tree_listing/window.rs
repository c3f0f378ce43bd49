//! What a query says about one name, and about all names below a directory.

use common::functional::listing::{Query, Rollup};

/// A query, as a walk in the direction of the listing asks it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window<'a> {
    query: &'a Query,
    /// Only greater names are in the page; empty is no bound.
    low: &'a str,
    /// Only lesser names are in the page; empty is no bound.
    high: &'a str,
}

/// What a name is to a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict<'n> {
    /// A line of its own.
    Listed,
    /// One of the names that this sub-directory stands for.
    Rolled(&'n str),
    /// One of the names that stand for a sub-directory which is not shown.
    Hidden(&'n str),
    /// Not in the page, but later names may be.
    Outside,
    /// Not in the page, and no later name is.
    Past,
}

/// What the names below a directory are to a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Descent<'n> {
    /// Some may be in it.
    Enter,
    /// None is, though the directory's own object may be.
    Closed,
    /// None is, nor any other name that begins so.
    Skip(&'n str),
    /// None is, and no later name either.
    Past,
}

/// Where in the order of names a walk begins: with what is right of the cut going forward, left of it in reverse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Lesser names are left.
    Before(String),
    /// Lesser names and the name itself are left.
    After(String),
    /// Lesser names and all names that begin so are left.
    AfterPrefix(String),
}

impl Cut {
    /// Whether a name is left of it.
    pub(super) fn is_left(&self, name: &str) -> bool {
        match self {
            Self::Before(text) => name < text.as_str(),
            Self::After(text) => name <= text.as_str(),
            Self::AfterPrefix(text) => name < text.as_str() || name.starts_with(text.as_str()),
        }
    }
}

impl<'a> Window<'a> {
    pub(super) fn new(query: &'a Query) -> Self {
        let (low, high) = if query.reverse {
            (&query.end_marker, &query.marker)
        } else {
            (&query.marker, &query.end_marker)
        };
        Self { query, low, high }
    }

    pub(super) const fn is_reverse(&self) -> bool {
        self.query.reverse
    }

    /// Where a walk of this page begins; `None`: the page is empty.
    pub(super) fn start(&self) -> Option<Cut> {
        let prefix = self.query.prefix.as_str();
        if self.query.reverse {
            return match self.high {
                "" => Some(Cut::AfterPrefix(prefix.to_owned())),
                high if high.starts_with(prefix) => Some(Cut::Before(high.to_owned())),
                high if high > prefix => Some(Cut::AfterPrefix(prefix.to_owned())),
                _ => None,
            };
        }
        if self.low.is_empty() || self.low < prefix {
            Some(Cut::Before(prefix.to_owned()))
        } else {
            Some(Cut::After(self.low.to_owned()))
        }
    }

    /// What a name is to the page.
    pub(super) fn judge<'n>(&self, name: &'n str) -> Verdict<'n> {
        let (before, behind) = if self.query.reverse {
            (Verdict::Past, Verdict::Outside)
        } else {
            (Verdict::Outside, Verdict::Past)
        };
        if !self.low.is_empty() && name <= self.low {
            return before;
        }
        if !self.high.is_empty() && name >= self.high {
            return behind;
        }
        let prefix = self.query.prefix.as_str();
        let Some(rest) = name.strip_prefix(prefix) else {
            return if name < prefix { before } else { behind };
        };
        match &self.query.rollup {
            Rollup::None => Verdict::Listed,
            Rollup::Directory => match rest.find('/') {
                _ if rest.is_empty() => Verdict::Outside,
                Some(slash) if slash + 1 < rest.len() => Verdict::Outside,
                _ => Verdict::Listed,
            },
            Rollup::Subdirs { .. } => match self.group(name) {
                None => Verdict::Listed,
                Some(group) if group == self.low => Verdict::Hidden(group),
                Some(group) => Verdict::Rolled(group),
            },
        }
    }

    /// What the names below `directory`, which ends in a slash, are to the page.
    pub(super) fn descent<'n>(&self, directory: &'n str) -> Descent<'n> {
        let prefix = self.query.prefix.as_str();
        let is_past = if self.query.reverse {
            let is_below = |bound: &str| directory <= bound && !bound.starts_with(directory);
            is_below(self.low) || is_below(prefix)
        } else {
            self.judge(directory) == Verdict::Past
        };
        if is_past {
            return Descent::Past;
        }
        match &self.query.rollup {
            Rollup::Directory if !prefix.starts_with(directory) => Descent::Closed,
            Rollup::Subdirs { .. } if !self.low.is_empty() => match self.group(directory) {
                Some(group) if group == self.low => Descent::Skip(group),
                _ => Descent::Enter,
            },
            Rollup::None | Rollup::Directory | Rollup::Subdirs { .. } => Descent::Enter,
        }
    }

    /// The sub-directory that stands for a name.
    fn group<'n>(&self, name: &'n str) -> Option<&'n str> {
        let Rollup::Subdirs { delimiter } = &self.query.rollup else {
            return None;
        };
        let rest = name.strip_prefix(self.query.prefix.as_str())?;
        let end = rest.find(delimiter.as_str())? + delimiter.len();
        Some(&name[..self.query.prefix.len() + end])
    }
}
