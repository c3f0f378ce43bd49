//! The way through the index, statement by statement.

use std::time::Duration;

use crate::sql::{Connection, Failure};
use crate::table::stobj::{self, Indexed, Sieve, Span, Waymarks};

/// Greater than every segment: no text holds this byte.
const END: &[u8] = &[0xff];

/// How much is read with one statement. One row in `mask + 1` is answered though it does not match, so that a statement looks
/// at about a million rows at most: as many as `rows` times `mask + 1`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stride {
    pub(super) rows: usize,
    pub(super) mask: i64,
    /// So long it may take until all is read, or a page is given as it is.
    pub(super) time: Duration,
}

/// Somewhere in the index.
#[derive(Debug)]
pub(super) struct Walk {
    /// Only this account's rows.
    account: Option<i64>,
    is_falling: bool,
    /// What is read next; `None`: all was read.
    next: Option<Span>,
    sieve: Sieve,
    stride: Stride,
}

impl Walk {
    /// From the beginning, or from behind a segment and number in the only account.
    pub(super) fn new(
        account: Option<i64>,
        is_falling: bool,
        from: Option<(Vec<u8>, i64)>,
        sieve: Sieve,
        stride: Stride,
    ) -> Self {
        let next = match (account, from) {
            (None, _) => Span::Accounts(0),
            (Some(account), Some((path, id))) if is_falling => Span::SameNameFalling(account, path, id),
            (Some(account), Some((path, id))) => Span::SameName(account, path, id),
            (Some(account), None) if is_falling => Span::Before(account, END.to_vec()),
            (Some(account), None) => Span::Behind(account, Vec::new()),
        };
        Self {
            account,
            is_falling,
            next: Some(next),
            sieve,
            stride,
        }
    }

    /// Whether all was read.
    pub(super) fn is_over(&self) -> bool {
        self.next.is_none()
    }

    /// Reads on. Among the rows are some that only mark the way.
    pub(super) async fn read(&mut self, connection: &mut Connection) -> Result<Vec<Indexed>, Failure> {
        let Some(span) = self.next.take() else {
            return Ok(Vec::new());
        };
        let waymarks = Waymarks {
            mask: self.stride.mask,
            value: getrandom::u64().unwrap_or(0).cast_signed() & self.stride.mask,
        };
        let limit = self.stride.rows;
        let rows = stobj::search(connection, &span, &self.sieve, waymarks, limit).await?;
        self.next = match rows.last().filter(|_| rows.len() == limit) {
            Some(last) => Some(self.same_name(last)),
            None => self.behind(span),
        };
        Ok(rows)
    }

    fn same_name(&self, row: &Indexed) -> Span {
        let (account, path, id) = (row.account, row.path.clone(), row.id);
        if self.is_falling {
            Span::SameNameFalling(account, path, id)
        } else {
            Span::SameName(account, path, id)
        }
    }

    /// What comes behind a span that was read to its end.
    fn behind(&self, span: Span) -> Option<Span> {
        match span {
            Span::SameName(account, path, _) => Some(Span::Behind(account, path)),
            Span::SameNameFalling(account, path, _) => Some(Span::Before(account, path)),
            Span::Behind(account, _) if self.account.is_none() => Some(Span::Accounts(account)),
            Span::Behind(..) | Span::Before(..) | Span::Accounts(_) => None,
        }
    }
}
