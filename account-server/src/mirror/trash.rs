//! The reaper: removes what was detached, from the leaves up, a bounded step at a time.
//!
//! Cascades end 15 levels deep in InnoDB and hold their locks as long as they run, so none is ever asked for one.

use crate::rest::Rest;
use crate::sql::{Connection, Failure};
use crate::table::stobj;

/// The most statements of one step, which is one transaction.
const STATEMENTS: usize = 64;
/// The most rows of one step, give or take a statement's.
const ROWS: u64 = 2000;

/// Where the reaper is: the way down from the trash to the row it works on. It may be forgotten at any time.
#[derive(Debug)]
pub(crate) struct Reaper {
    way: Vec<i64>,
    has_work: bool,
    is_fresh: bool,
    rest: Rest,
}

impl Reaper {
    /// One that goes on with what an earlier process left.
    pub(crate) fn new() -> Self {
        Self {
            way: Vec::new(),
            has_work: true,
            is_fresh: true,
            rest: Rest::default(),
        }
    }

    /// Whether it has not looked yet for what an earlier process left.
    pub(crate) fn is_fresh(&self) -> bool {
        self.is_fresh
    }

    /// Whether the trash may hold something, and it may be tried to remove it.
    pub(crate) fn has_work(&self) -> bool {
        self.has_work && self.rest.is_over()
    }

    /// Something was detached.
    pub(crate) fn wake(&mut self) {
        self.has_work = true;
    }

    /// It could not be removed, and is let alone for a while.
    pub(crate) fn rest(&mut self) {
        self.is_fresh = false;
        self.rest.begin();
    }

    /// Waits for the end of that while.
    pub(crate) async fn rested(&mut self) {
        self.rest.over().await;
    }

    /// Does one step, and answers how many rows it removed. After a failure the transaction is still open, and the way down
    /// is looked for anew.
    pub(crate) async fn step(&mut self, connection: &mut Connection) -> Result<u64, Failure> {
        self.is_fresh = false;
        let done = self.transaction(connection).await;
        if done.is_err() {
            self.way.clear();
        }
        done
    }

    async fn transaction(&mut self, connection: &mut Connection) -> Result<u64, Failure> {
        connection.begin_write().await?;
        let mut removed = 0;
        for _ in 0..STATEMENTS {
            if removed >= ROWS || !self.has_work {
                break;
            }
            removed += self.advance(connection).await?;
        }
        connection.commit().await?;
        Ok(removed)
    }

    /// One move down or up; answers how many rows it removed.
    async fn advance(&mut self, connection: &mut Connection) -> Result<u64, Failure> {
        let Some(&row) = self.way.last() else {
            match stobj::first_child(connection, stobj::TRASH).await? {
                Some(child) => self.way.push(child),
                None => self.has_work = false,
            }
            return Ok(0);
        };
        let files = stobj::remove_files(connection, row).await?;
        if files > 0 {
            return Ok(files);
        }
        match stobj::first_child(connection, row).await? {
            Some(child) => {
                self.way.push(child);
                Ok(0)
            }
            None => {
                stobj::remove(connection, &[row]).await?;
                self.way.pop();
                Ok(1)
            }
        }
    }
}
