//! `policy`: the version of what decides, raised with every change of it.

use super::counted;
use crate::sql::{Connection, Failure, Text};

const VERSION: Text = Text::both("SELECT version FROM policy WHERE id = 1");

const LOCK: Text = Text {
    sqlite: "SELECT version FROM policy WHERE id = 1",
    mysql: "SELECT version FROM policy WHERE id = 1 FOR UPDATE",
};

const RAISE: Text = Text {
    sqlite: "INSERT INTO policy (id, version) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET version = version + 1",
    mysql: "INSERT INTO policy (id, version) VALUES (1, 1) ON DUPLICATE KEY UPDATE version = version + 1",
};

/// The version; 0 when nothing was ever decided on.
pub(crate) async fn version(connection: &mut Connection) -> Result<u64, Failure> {
    let row = connection.first(VERSION, &[]).await?;
    row.map_or(Ok(0), |row| row.int(0).map(counted))
}

/// Keeps others from changing anything that decides until the transaction ends.
pub(crate) async fn lock(connection: &mut Connection) -> Result<(), Failure> {
    connection.rows(LOCK, &[]).await.map(|_| ())
}

/// Says that something that decides was changed.
pub(crate) async fn raise(connection: &mut Connection) -> Result<(), Failure> {
    connection.execute(RAISE, &[]).await.map(|_| ())
}
