//! What is looked for, and whether a row is that.

use common::Timestamp;
use common::functional::search::{Find, Kind};

use super::glob;
use crate::table::stobj::{Detail, Indexed, Sieve, kind};
use crate::table::{counted, stored};

/// User metadata begins like this.
const METADATA: &str = "x-object-meta-";

/// What is asked of a name or a type.
#[derive(Clone, Debug)]
enum Words {
    /// Anything.
    Any,
    /// The text holds this one, or is it.
    Text(String),
    /// The text is this glob.
    Glob(String),
}

/// What is looked for.
#[derive(Clone, Debug)]
pub(super) struct Criteria {
    name: Words,
    content_type: Words,
    kind: Option<Kind>,
    /// What the least and the greatest number of column `type` may be.
    kinds: (i64, i64),
    /// At least and at most.
    size: (i64, i64),
    /// From and before.
    modified: (i64, i64),
    has_times: bool,
    meta: Vec<(String, Vec<u8>)>,
    now: i64,
}

/// How a row is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Guise {
    pub(super) kind: Kind,
    pub(super) bytes: i64,
    pub(super) modified: Option<i64>,
}

impl Words {
    fn new(text: Option<&String>) -> Self {
        match text {
            None => Self::Any,
            Some(text) if glob::is_glob(text) => Self::Glob(text.clone()),
            Some(text) => Self::Text(text.clone()),
        }
    }
}

impl Criteria {
    pub(super) fn new(find: &Find, now: Timestamp) -> Self {
        let time = |time: Option<Timestamp>| time.map(|time| stored(time.units()));
        let meta = find.meta.iter();
        Self {
            name: Words::new(find.name.as_ref()),
            content_type: Words::new(find.content_type.as_ref()),
            kind: find.kind,
            kinds: match find.kind {
                None => (kind::CONTAINER, kind::LINK),
                Some(Kind::Container) => (kind::CONTAINER, kind::CONTAINER),
                Some(Kind::Directory) => (kind::DIRECTORY, kind::DIRECTORY),
                Some(Kind::File) => (kind::DIRECTORY, kind::LINK),
            },
            size: (
                find.size_min.map_or(0, stored),
                find.size_max.map_or(i64::MAX, stored),
            ),
            modified: (
                time(find.modified_after).unwrap_or(0),
                time(find.modified_before).unwrap_or(i64::MAX),
            ),
            has_times: find.modified_after.is_some() || find.modified_before.is_some(),
            meta: meta
                .map(|(name, value)| {
                    (
                        format!("{METADATA}{}", name.to_ascii_lowercase()),
                        value.clone().into(),
                    )
                })
                .collect(),
            now: stored(now.units()),
        }
    }

    /// What of this the database sees to.
    pub(super) fn sieve(&self) -> Sieve {
        let literal = match &self.name {
            Words::Any => "",
            Words::Text(text) => text,
            Words::Glob(glob) => glob::literal(glob),
        };
        Sieve {
            literal: literal.as_bytes().to_vec(),
            kinds: self.kinds,
            bytes: self.size,
            timestamps: self.modified,
        }
    }

    /// Whether a row may be what is looked for, as far as the index knows.
    pub(super) fn may_take(&self, row: &Indexed) -> bool {
        let (least, most) = self.kinds;
        if row.kind < least || row.kind > most || !self.has_name(&row.path) {
            return false;
        }
        row.kind < kind::FILE || (self.has_size(row.bytes) && self.has_time(Some(row.timestamp)))
    }

    /// What a row is shown as, if it is what is looked for. A directory that an object bears the name of is shown as the
    /// directory, unless only the object will do.
    pub(super) fn take(&self, row: &Detail) -> Option<Guise> {
        if !self.has_name(&row.place.path) {
            return None;
        }
        let holder = match row.kind {
            kind::CONTAINER => Some(Guise {
                kind: Kind::Container,
                bytes: row.sub_bytes,
                modified: Some(row.timestamp),
            }),
            kind::DIRECTORY => Some(Guise {
                kind: Kind::Directory,
                bytes: row.sub_bytes,
                modified: row.explicit.then_some(row.created),
            }),
            _ => None,
        };
        let is_there = row.is_object && row.delete_at.is_none_or(|at| at > self.now);
        let file = is_there.then_some(Guise {
            kind: Kind::File,
            bytes: row.bytes,
            modified: Some(row.timestamp),
        });
        let asks_for_objects = !matches!(self.content_type, Words::Any) || !self.meta.is_empty();
        let holder = holder.filter(|guise| !asks_for_objects && self.has_what(guise));
        holder.or_else(|| file.filter(|guise| self.has_what(guise) && self.has_attributes(row)))
    }

    fn has_what(&self, guise: &Guise) -> bool {
        self.kind.is_none_or(|kind| kind == guise.kind)
            && self.has_size(guise.bytes)
            && self.has_time(guise.modified)
    }

    /// Whether a segment is one that is looked for.
    pub(super) fn has_name(&self, path: &[u8]) -> bool {
        let Ok(name) = std::str::from_utf8(path) else {
            return false;
        };
        match &self.name {
            Words::Any => true,
            Words::Text(text) => name.contains(text.as_str()),
            // Whoever looks for `*.d` means the directory `x.d/` too.
            Words::Glob(glob) => {
                let without = name.strip_suffix('/').unwrap_or(name);
                glob::matches(glob, without) || glob::matches(glob, name)
            }
        }
    }

    fn has_size(&self, bytes: i64) -> bool {
        self.size.0 <= bytes && bytes <= self.size.1
    }

    fn has_time(&self, time: Option<i64>) -> bool {
        match time {
            None => !self.has_times,
            Some(time) => self.modified.0 <= time && time < self.modified.1,
        }
    }

    fn has_attributes(&self, row: &Detail) -> bool {
        let content_type = row.content_type.as_deref().unwrap_or_default();
        let bare = content_type.split(';').next().unwrap_or_default().trim_end();
        let has_type = match &self.content_type {
            Words::Any => true,
            Words::Text(text) => text == content_type || text == bare,
            Words::Glob(glob) => glob::matches(glob, content_type),
        };
        let has = |(name, value): &(String, Vec<u8>)| {
            row.metadata
                .value(name)
                .is_some_and(|found| found[..] == value[..])
        };
        has_type && self.meta.iter().all(has)
    }
}

impl Guise {
    /// When it was written, for who is told.
    pub(super) fn last_modified(&self) -> Option<Timestamp> {
        self.modified.map(|time| Timestamp::from_units(counted(time)))
    }
}
