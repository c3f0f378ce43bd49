//! A map that never grows beyond a bound.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::mem;

/// A map in two halves: when the young one is full the old one is thrown away whole and the young one becomes the
/// old. What is asked for moves to the young half, so what is in use stays, and nothing has to be kept in order.
#[derive(Debug)]
pub(crate) struct BoundedMap<K, V> {
    half: usize,
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Eq + Hash + Clone, V> BoundedMap<K, V> {
    /// At most `capacity` entries.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            half: (capacity / 2).max(1),
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    pub(crate) fn lookup<Q>(&mut self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        if !self.young.contains_key(key) {
            let (key, value) = self.old.remove_entry(key)?;
            self.insert(key, value);
        }
        self.young.get(key)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            self.old = mem::take(&mut self.young);
        }
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    pub(crate) fn remove<Q>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.young.remove(key);
        self.old.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_use_stays_and_the_bound_holds() {
        let mut map = BoundedMap::new(10);
        map.insert(0, "kept");
        for key in 1..1000 {
            map.insert(key, "other");
            assert_eq!(map.lookup(&0), Some(&"kept"), "after {key}");
            assert!(map.young.len() + map.old.len() <= 10);
        }
        assert_eq!(map.lookup(&1), None);
        map.remove(&0);
        assert_eq!(map.lookup(&0), None);
    }

    #[test]
    fn a_newer_value_takes_the_place_of_the_older() {
        let mut map = BoundedMap::new(2);
        map.insert("a", 1);
        map.insert("b", 1);
        map.insert("a", 2);
        map.insert("c", 1);
        assert_ne!(map.lookup("a"), Some(&1));
    }
}
