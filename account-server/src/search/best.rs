//! What a page shows of all that was seen: the best, in its order.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use common::functional::search::{Kind, Sort};

use super::criteria::Guise;
use super::cursor::{self, Key};
use super::{Hit, Query};
use crate::table::stobj::{Indexed, kind};

/// The best of what was seen: one more than a page holds.
#[derive(Debug)]
pub(super) struct Best<'a> {
    query: &'a Query,
    hits: BTreeMap<Key, Hit>,
}

impl<'a> Best<'a> {
    pub(super) fn of(query: &'a Query) -> Self {
        let hits = BTreeMap::new();
        Self { query, hits }
    }

    pub(super) fn put(&mut self, hit: Hit) {
        let key = self.key(&hit.detail.place.path, hit.detail.place.id, &hit.guise);
        if !self.is_wanted(&key) {
            return;
        }
        self.hits.insert(key, hit);
        if self.hits.len() > self.query.limit + 1 {
            if self.is_falling() {
                self.hits.pop_first();
            } else {
                self.hits.pop_last();
            }
        }
    }

    /// Whether a row may be one of the best. Of what is no object the index does not know.
    pub(super) fn may_want(&self, row: &Indexed) -> bool {
        let is_known = cursor::is_by_name(self.query.find.sort) || row.kind >= kind::FILE;
        !is_known || self.is_wanted(&self.guess(row))
    }

    /// Whether it lies behind the cursor and before the worst of those that are kept.
    fn is_wanted(&self, key: &Key) -> bool {
        let worst = if self.is_falling() {
            self.hits.first_key_value()
        } else {
            self.hits.last_key_value()
        };
        let is_behind = |cursor: &Key| self.order(cursor, key) == Ordering::Less;
        let is_better = |(worst, _): (&Key, &Hit)| {
            self.hits.len() <= self.query.limit || self.order(key, worst) == Ordering::Less
        };
        self.query.cursor.as_ref().is_none_or(is_behind) && worst.is_none_or(is_better)
    }

    pub(super) fn guess(&self, row: &Indexed) -> Key {
        let guise = Guise {
            kind: Kind::File,
            bytes: row.bytes,
            modified: Some(row.timestamp),
        };
        self.key(&row.path, row.id, &guise)
    }

    fn key(&self, path: &[u8], id: i64, guise: &Guise) -> Key {
        let (number, path) = match self.query.find.sort {
            Sort::Name | Sort::NameDescending => (0, path.to_vec()),
            Sort::Size | Sort::SizeDescending => (guise.bytes, Vec::new()),
            Sort::Modified | Sort::ModifiedDescending => (guise.modified.unwrap_or(0), Vec::new()),
        };
        Key { number, path, id }
    }

    pub(super) fn order(&self, one: &Key, other: &Key) -> Ordering {
        if self.is_falling() {
            other.cmp(one)
        } else {
            one.cmp(other)
        }
    }

    fn is_falling(&self) -> bool {
        cursor::is_falling(self.query.find.sort)
    }

    /// The page in its order, and where the next one begins.
    pub(super) fn into_page(self) -> (Vec<Hit>, Option<Key>) {
        let (limit, is_falling) = (self.query.limit, self.is_falling());
        let mut hits: Vec<(Key, Hit)> = self.hits.into_iter().collect();
        if is_falling {
            hits.reverse();
        }
        let next = (hits.len() > limit).then(|| hits[limit - 1].0.clone());
        hits.truncate(limit);
        (hits.into_iter().map(|(_, hit)| hit).collect(), next)
    }
}
