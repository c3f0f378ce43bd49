//! The changes of one account that the mirror does not have yet.

use std::collections::{BTreeMap, HashMap};

use common::functional::mirror::Node;

use crate::journal::Position;
use crate::node::NodePath;

/// States are kept for so many waiting changes of an account; of the others only the names, and storage is asked when
/// it is their turn.
const MAX_KEPT_STATES: usize = 10_000;

/// A node that changed, with the last state known of it.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) path: NodePath,
    /// Of the last change.
    pub(super) seq: u64,
    /// Of the first change: the journal must be kept from here.
    pub(super) position: Position,
    pub(super) state: Option<Node>,
}

/// A batch taken out: what is to be sent, and what the mirror has with it.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) waiting: Vec<(u64, Waiting)>,
    pub(super) through: u64,
}

/// Waiting changes in the order of their first `seq`.
#[derive(Debug, Default)]
pub(super) struct Queue {
    order: BTreeMap<u64, Waiting>,
    places: HashMap<NodePath, u64>,
    in_flight: Option<Position>,
    last_seq: u64,
}

impl Queue {
    pub(super) fn new(last_seq: u64) -> Self {
        Self {
            last_seq,
            ..Self::default()
        }
    }

    pub(super) fn note(&mut self, seq: u64, position: Position, path: NodePath, state: Option<Node>) {
        self.last_seq = self.last_seq.max(seq);
        let state = if self.order.len() < MAX_KEPT_STATES {
            state
        } else {
            None
        };
        match self.places.get(&path).and_then(|place| self.order.get_mut(place)) {
            Some(waiting) => {
                waiting.seq = seq;
                waiting.state = state;
            }
            None => {
                self.places.insert(path.clone(), seq);
                self.order.insert(
                    seq,
                    Waiting {
                        path,
                        seq,
                        position,
                        state,
                    },
                );
            }
        }
    }

    /// The next batch of at most `limit` nodes; empty when nothing waits, and then `through` is the last change.
    pub(super) fn take(&mut self, limit: usize) -> Batch {
        let mut waiting = Vec::new();
        while waiting.len() < limit {
            let Some((place, next)) = self.order.pop_first() else {
                break;
            };
            self.places.remove(&next.path);
            waiting.push((place, next));
        }
        self.in_flight = waiting.first().map(|(_, first)| first.position);
        let through = self.order.keys().next().map_or(self.last_seq, |next| next - 1);
        Batch { waiting, through }
    }

    /// The batch arrived.
    pub(super) fn arrived(&mut self) {
        self.in_flight = None;
    }

    /// The batch did not arrive: its nodes wait again at their places, with the newer states that came meanwhile.
    pub(super) fn put_back(&mut self, batch: Batch) {
        self.in_flight = None;
        for (place, mut waiting) in batch.waiting {
            if let Some(newer) = self
                .places
                .remove(&waiting.path)
                .and_then(|later| self.order.remove(&later))
            {
                waiting.seq = newer.seq;
                waiting.state = newer.state;
            }
            self.places.insert(waiting.path.clone(), place);
            self.order.insert(place, waiting);
        }
    }

    /// Forgets what the mirror has anyway.
    pub(super) fn forget_through(&mut self, seq: u64) {
        let places = &mut self.places;
        self.order.retain(|_, waiting| {
            let keep = waiting.seq > seq;
            if !keep {
                places.remove(&waiting.path);
            }
            keep
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty() && self.in_flight.is_none()
    }

    pub(super) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    pub(super) fn oldest_needed(&self) -> Option<Position> {
        let first = self.order.values().next().map(|waiting| waiting.position);
        self.in_flight.into_iter().chain(first).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::name::{ContainerName, ObjectName};

    fn object(name: &str) -> NodePath {
        NodePath::Object(ContainerName::new("c").unwrap(), ObjectName::new(name).unwrap())
    }

    fn state(name: &str) -> Node {
        Node::Object(
            ContainerName::new("c").unwrap(),
            ObjectName::new(name).unwrap(),
            None,
        )
    }

    fn names(batch: &Batch) -> Vec<(u64, u64, NodePath)> {
        batch
            .waiting
            .iter()
            .map(|(place, waiting)| (*place, waiting.seq, waiting.path.clone()))
            .collect()
    }

    fn queue() -> Queue {
        let mut queue = Queue::new(0);
        for (seq, name) in [(1, "a"), (2, "b"), (3, "a"), (4, "c")] {
            queue.note(seq, Position::default(), object(name), Some(state(name)));
        }
        queue
    }

    #[test]
    fn a_node_is_sent_once_at_its_first_place() {
        let mut queue = queue();
        let batch = queue.take(2);
        assert_eq!(names(&batch), [(1, 3, object("a")), (2, 2, object("b"))]);
        assert_eq!(batch.through, 3);
        let batch = queue.take(2);
        assert_eq!(names(&batch), [(4, 4, object("c"))]);
        assert_eq!(batch.through, 4);
        assert!(queue.take(2).waiting.is_empty());
    }

    #[test]
    fn a_batch_put_back_takes_newer_states() {
        let mut queue = queue();
        let batch = queue.take(2);
        queue.note(5, Position::default(), object("b"), None);
        queue.put_back(batch);
        let batch = queue.take(10);
        assert_eq!(
            names(&batch),
            [(1, 3, object("a")), (2, 5, object("b")), (4, 4, object("c"))]
        );
        assert!(batch.waiting[1].1.state.is_none());
        assert_eq!(batch.through, 5);
    }

    #[test]
    fn what_the_mirror_has_is_forgotten() {
        let mut queue = queue();
        queue.forget_through(3);
        assert_eq!(names(&queue.take(10)), [(4, 4, object("c"))]);
    }
}
