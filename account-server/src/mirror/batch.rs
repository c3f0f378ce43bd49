//! A batch on its way in, and how much of it is done at once.

use common::Error;
use common::functional::mirror::{Apply, Change, Node, Position};

/// The most changes, and the most segments of their names, that are stored with one group of statements.
pub(super) const GROUP: Load = Load {
    changes: 256,
    segments: 8192,
};

/// The same for one transaction.
pub(super) const TRANSACTION: Load = Load {
    changes: 2048,
    segments: 16_384,
};

/// A batch on its way into the mirror.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(super) apply: Apply,
    /// Where the account stood when the batch was let in.
    pub(super) base: Option<u64>,
    /// The first change that is not in yet.
    pub(super) next: usize,
    pub(super) answer: Option<Result<Position, Error>>,
}

impl Batch {
    /// A batch of which nothing is in yet.
    pub(crate) fn new(apply: Apply) -> Self {
        Self {
            apply,
            base: None,
            next: 0,
            answer: None,
        }
    }

    /// What came of it, once something did.
    pub(crate) fn into_answer(self) -> Option<Result<Position, Error>> {
        self.answer
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_done(&self) -> bool {
        self.answer.is_some()
    }
}

/// How much work there is, or may be done at once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    changes: usize,
    segments: usize,
}

impl Load {
    pub(super) fn add(&mut self, change: &Change) {
        self.changes += 1;
        if let Node::Object(_, name, _) = &change.node {
            self.segments += name.segments().count();
        }
    }

    pub(super) fn is_within(self, most: Self) -> bool {
        self.changes < most.changes && self.segments < most.segments
    }
}

/// Where a batch stands when the transaction commits.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) base: Option<u64>,
    pub(super) next: usize,
    pub(super) answer: Option<Result<Position, Error>>,
}

impl Progress {
    /// Nothing of the batch was let in; this is answered.
    pub(super) fn refused(batch: &Batch, answer: Result<Position, Error>) -> Self {
        Self {
            base: None,
            next: batch.next,
            answer: Some(answer),
        }
    }
}
