//! A connection that rests between two uses.

use std::time::Duration;

use crate::breaker::Breaker;
use crate::sql::{Connection, Dialect};

/// How long one rests before it is closed: half of what the server of a database is told to allow.
pub(crate) const REST: Duration = Duration::from_secs(30);

/// A connection and when it was last good.
#[derive(Debug)]
pub(crate) struct Idle {
    connection: Connection,
    openings: u64,
}

impl Idle {
    /// Lays `connection` aside, which has just worked.
    pub(crate) fn new(connection: Connection, breaker: &Breaker) -> Self {
        let openings = breaker.openings();
        Self { connection, openings }
    }

    /// The connection, unless the database went away meanwhile: then it may lead nowhere, and nobody shall wait to
    /// find out.
    pub(crate) fn take(idle: &mut Option<Self>, breaker: &Breaker) -> Option<Connection> {
        let idle = idle.take()?;
        (idle.openings == breaker.openings()).then_some(idle.connection)
    }

    /// Closes it in good order.
    pub(crate) async fn close(self) {
        self.connection.close().await;
    }

    /// Closes it when it is one across a network, where others may have forgotten it. A file does not forget, and
    /// closing it would throw its cache away.
    pub(crate) async fn rested(idle: &mut Option<Self>) {
        if let Some(resting) = idle.take_if(|idle| idle.connection.dialect() == Dialect::MySql) {
            resting.close().await;
        }
    }
}
