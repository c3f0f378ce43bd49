//! A batch on its way in, and how much of it is done at once.

use common::Error;
use common::functional::mirror::{Apply, Change, MAX_BATCH, Node, Position};

/// The most changes, and the most segments of their names, that are stored with one group of statements.
pub(super) const GROUP: Load = Load {
    changes: MAX_BATCH,
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

    /// What it brings.
    pub(crate) fn changes(&self) -> &Apply {
        &self.apply
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

/// Refuses what no owner may send.
///
/// # Errors
/// 400, when there is too much of it, a directory is not named like one, or one was moved into itself.
pub(crate) fn check(apply: &Apply) -> Result<(), Error> {
    if apply.changes.len() > MAX_BATCH {
        return Err(Error::bad_request("a batch holds at most 1000 changes"));
    }
    let is_sound = |change: &Change| match &change.node {
        Node::Account(_) | Node::Container(..) | Node::Object(..) => true,
        Node::Directory(_, name, _) | Node::Detached(_, name) => name.is_directory(),
        Node::Moved(moved) => {
            let (from, to) = (&moved.directory, &moved.to_directory);
            let is_below = moved.container == moved.to_container && to.as_str().starts_with(from.as_str());
            from.is_directory() && to.is_directory() && !is_below
        }
    };
    if apply.changes.iter().all(is_sound) {
        Ok(())
    } else {
        Err(Error::bad_request(
            "the name of a directory ends in a slash, and none is moved into itself",
        ))
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
        self.segments += match &change.node {
            Node::Account(_) | Node::Container(..) => 0,
            Node::Object(_, name, _) | Node::Directory(_, name, _) | Node::Detached(_, name) => {
                name.segments().count()
            }
            Node::Moved(moved) => moved.directory.segments().count() + moved.to_directory.segments().count(),
        };
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
