//! What the writer remembers: which row a directory is.
//!
//! Numbers of rows are never given twice, so an entry below a row that died can do no harm: nobody asks for it. An
//! entry for a row that died itself can: it is taken out by who removes the row, and all are forgotten when a
//! transaction fails, or when somebody else wrote to an account meanwhile.

use std::collections::HashMap;
use std::mem;

use common::functional::mirror::Position;

use crate::table::stobj::Key;

/// A bounded map of places to rows. Entries live in two generations: when the younger one is full, the older one is
/// dropped and takes its place. What is asked for moves to the younger one.
#[derive(Debug)]
pub(crate) struct Directories {
    young: HashMap<Box<[u8]>, i64>,
    old: HashMap<Box<[u8]>, i64>,
    /// Where each account stood when its entries were made.
    positions: HashMap<u64, Position>,
    capacity: usize,
}

impl Directories {
    /// Remembers about `capacity` directories.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            positions: HashMap::new(),
            capacity: (capacity / 2).max(1),
        }
    }

    /// The row at `key`.
    pub(crate) fn find(&mut self, key: Key<'_>) -> Option<i64> {
        let place = place(key);
        if let Some(id) = self.young.get(&place) {
            return Some(*id);
        }
        let id = self.old.remove(&place)?;
        self.keep(place, id);
        Some(id)
    }

    /// Remembers the row at `key`.
    pub(crate) fn insert(&mut self, key: Key<'_>, id: i64) {
        self.keep(place(key), id);
    }

    /// The row at `key` is gone.
    pub(crate) fn remove(&mut self, key: Key<'_>) {
        let place = place(key);
        self.young.remove(&place);
        self.old.remove(&place);
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
        self.positions.clear();
    }

    /// Forgets everything, unless the account is where we left it.
    pub(crate) fn expect(&mut self, account_id: u64, stored: Option<Position>) {
        if let Some(left) = self.positions.get(&account_id)
            && Some(*left) != stored
        {
            self.clear();
        }
    }

    /// The account was left at `position`.
    pub(crate) fn left(&mut self, account_id: u64, position: Position) {
        if self.positions.len() >= self.capacity && !self.positions.contains_key(&account_id) {
            self.clear();
        }
        self.positions.insert(account_id, position);
    }

    fn keep(&mut self, place: Box<[u8]>, id: i64) {
        if self.young.len() >= self.capacity {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(place, id);
    }
}

fn place((parent, path): Key<'_>) -> Box<[u8]> {
    let mut place = Vec::with_capacity(8 + path.len());
    place.extend_from_slice(&parent.to_be_bytes());
    place.extend_from_slice(path);
    place.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays() {
        let mut directories = Directories::new(4);
        directories.insert((1, b"kept/"), 10);
        for number in 0..20_i64 {
            directories.insert((2, number.to_string().as_bytes()), number);
            assert_eq!(directories.find((1, b"kept/")), Some(10));
        }
        assert_eq!(directories.find((2, b"0")), None);
        assert!(directories.young.len() + directories.old.len() <= 4);
    }

    #[test]
    fn an_account_that_somebody_else_moved_is_forgotten() {
        let at = |seq| Position {
            incarnation: Some(1),
            seq,
        };
        let mut directories = Directories::new(4);
        directories.insert((1, b"a/"), 10);
        directories.left(7, at(5));
        directories.expect(7, Some(at(5)));
        assert_eq!(directories.find((1, b"a/")), Some(10));
        directories.expect(7, Some(at(6)));
        assert_eq!(directories.find((1, b"a/")), None);
    }
}
