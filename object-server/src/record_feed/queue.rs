//! The records that wait: the latest in memory, all others in the journal.

use std::collections::VecDeque;

use common::Timestamp;
use common::functional::record::MAX_BATCH;

use crate::journal::{Entry, Position};

/// So many commits wait in memory.
const MAX_WAITING: usize = 4096;

/// What is to be sent next.
#[derive(Debug)]
pub(super) enum Taken {
    /// These.
    Entries(Vec<(Position, Entry)>),
    /// What the journal holds from here on.
    Journal(Position),
}

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<(Position, Entry)>,
    /// The oldest of those that are being sent.
    in_flight: Option<Position>,
    /// From here on the journal must be read.
    behind: Option<Position>,
    /// Up to here there are commits that are in the journal only.
    unread_until: Position,
}

impl Queue {
    /// One that has to read the journal from `oldest` up to `end` first.
    pub(super) fn behind(oldest: Position, end: Position) -> Self {
        Self {
            behind: (oldest < end).then_some(oldest),
            unread_until: end,
            ..Self::default()
        }
    }

    /// Takes on an entry; whether somebody should be told.
    pub(super) fn note(&mut self, position: Position, entry: Entry) -> bool {
        if self.behind.is_none() && self.waiting.len() < MAX_WAITING {
            self.waiting.push_back((position, entry));
            return self.waiting.len() == 1;
        }
        let was_with = self.behind.is_none();
        // Accounts do not wait for one another between the journal and here: an earlier one may come later.
        self.behind = Some(self.behind.map_or(position, |behind| behind.min(position)));
        self.unread_until = self.unread_until.max(position.behind());
        was_with
    }

    /// Everything between is to be sent again.
    pub(super) fn rewind(&mut self, oldest: Position, end: Position) {
        if oldest < end {
            self.behind = Some(oldest);
            self.unread_until = self.unread_until.max(end);
        }
    }

    /// The next to be sent: of those in memory only what is of `ripe` or before.
    pub(super) fn take(&mut self, ripe: Timestamp) -> Option<Taken> {
        let is_ripe = |(_, entry): &&(Position, Entry)| time_of(entry) <= ripe;
        let count = self.waiting.iter().take(MAX_BATCH).take_while(is_ripe).count();
        if count == 0 {
            self.in_flight = self.behind;
            return self.behind.map(Taken::Journal);
        }
        let entries: Vec<_> = self.waiting.drain(..count).collect();
        self.in_flight = entries.iter().map(|(position, _)| *position).min();
        Some(Taken::Entries(entries))
    }

    /// What was taken has arrived (with where to read the journal on), or has not and waits again.
    pub(super) fn sent(&mut self, taken: Taken, outcome: Result<Option<Position>, ()>) {
        self.in_flight = None;
        match (taken, outcome) {
            (Taken::Entries(entries), Err(())) => {
                for entry in entries.into_iter().rev() {
                    self.waiting.push_front(entry);
                }
            }
            // Meanwhile it may have been set back.
            (Taken::Journal(from), Ok(Some(next))) if self.behind == Some(from) => {
                self.behind = (next < self.unread_until).then_some(next);
            }
            _ => {}
        }
    }

    /// Whether memory is about to be full.
    pub(super) fn is_crowded(&self) -> bool {
        self.waiting.len() >= MAX_WAITING / 2
    }

    /// Whether some wait in memory.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether nothing waits or is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.in_flight.is_none() && self.behind.is_none()
    }

    /// The oldest place in the journal that is still needed.
    pub(super) fn oldest_needed(&self) -> Option<Position> {
        let waiting = self.waiting.iter().map(|(position, _)| *position);
        waiting.chain(self.in_flight).chain(self.behind).min()
    }
}

/// When what an entry says was asked for.
fn time_of(entry: &Entry) -> Timestamp {
    let made = entry.kind.made();
    made.map_or(Timestamp::default(), |(_, _, record)| record.time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Kind;
    use crate::node::WriteId;

    fn at(number: u64) -> Position {
        (0..number).fold(Position::default(), |position, _| position.behind())
    }

    fn entry() -> Entry {
        let kind = Kind::Abort { id: WriteId(1) };
        Entry { account_id: 1, kind }
    }

    fn sent(queue: &mut Queue, next: Option<Position>) {
        let taken = queue.take(Timestamp::default()).unwrap();
        queue.sent(taken, Ok(next));
    }

    #[test]
    fn the_journal_is_kept_from_the_oldest_that_has_not_arrived() {
        let mut queue = Queue::default();
        for number in [3, 2, 4] {
            queue.note(at(number), entry());
        }
        assert_eq!(queue.oldest_needed(), Some(at(2)));
        let taken = queue.take(Timestamp::default()).unwrap();
        queue.note(at(9), entry());
        assert_eq!(queue.oldest_needed(), Some(at(2)));
        queue.sent(taken, Err(()));
        assert_eq!(queue.oldest_needed(), Some(at(2)));
        let Some(Taken::Entries(entries)) = queue.take(Timestamp::default()) else {
            panic!("{queue:?}")
        };
        let places: Vec<_> = entries.iter().map(|(position, _)| *position).collect();
        assert_eq!(places, [at(3), at(2), at(4), at(9)]);
        queue.sent(Taken::Entries(entries), Ok(None));
        assert!(queue.is_empty() && queue.oldest_needed().is_none());
    }

    #[test]
    fn what_is_too_much_for_memory_is_read_from_the_journal() {
        let mut queue = Queue::default();
        for number in 0..MAX_WAITING as u64 + 3 {
            queue.note(at(number), entry());
        }
        for _ in 0..MAX_WAITING.div_ceil(MAX_BATCH) {
            let taken = queue.take(Timestamp::default()).unwrap();
            assert!(matches!(taken, Taken::Entries(_)));
            queue.sent(taken, Ok(None));
        }
        let skipped = MAX_WAITING as u64;
        assert_eq!(queue.behind, Some(at(skipped)));
        // Not all of it could be read yet.
        sent(&mut queue, Some(at(skipped + 2)));
        assert_eq!(queue.oldest_needed(), Some(at(skipped + 2)));
        queue.note(at(skipped + 5), entry());
        sent(&mut queue, Some(at(skipped + 3)));
        sent(&mut queue, Some(at(skipped + 9)));
        assert!(queue.is_empty());
        // From here on memory will do again.
        queue.note(at(skipped + 10), entry());
        assert!(matches!(
            queue.take(Timestamp::default()),
            Some(Taken::Entries(_))
        ));
    }

    #[test]
    fn one_that_comes_late_is_not_passed_over() {
        let mut queue = Queue::behind(at(5), at(10));
        let taken = queue.take(Timestamp::default()).unwrap();
        queue.note(at(3), entry());
        queue.sent(taken, Ok(Some(at(10))));
        assert_eq!(queue.oldest_needed(), Some(at(3)));
    }

    #[test]
    fn a_lost_database_is_filled_from_the_oldest_on() {
        let mut queue = Queue::behind(at(5), at(10));
        let taken = queue.take(Timestamp::default()).unwrap();
        queue.rewind(at(1), at(12));
        queue.sent(taken, Ok(Some(at(10))));
        assert_eq!(queue.oldest_needed(), Some(at(1)));
        sent(&mut queue, Some(at(12)));
        assert!(queue.is_empty());
        assert!(Queue::behind(at(7), at(7)).is_empty());
    }
}
