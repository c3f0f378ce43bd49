//! `policy`: the version of what decides, raised with every change of it.

use super::counted;
use crate::sql::{Connection, Failure, Text};

const VERSION: Text = Text::both("policy.version", "SELECT version FROM policy WHERE id = 1");

const TOUCH: Text = Text::both("policy.touch", "UPDATE policy SET version = version WHERE id = 1");

const RAISE: Text = Text {
    name: "policy.raise",
    sqlite: "INSERT INTO policy (id, version) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET version = version + 1",
    mysql: "INSERT INTO policy (id, version) VALUES (1, 1) ON DUPLICATE KEY UPDATE version = version + 1",
};

/// The version; 0 when nothing was ever decided on.
pub(crate) async fn version(connection: &mut Connection) -> Result<u64, Failure> {
    let row = connection.first(VERSION, &[]).await?;
    row.map_or(Ok(0), |row| row.int(0).map(counted))
}

/// Changes nothing, but only where something could be changed: a database that may just be read refuses it.
pub(crate) async fn touch(connection: &mut Connection) -> Result<(), Failure> {
    connection.execute(TOUCH, &[]).await.map(|_| ())
}

/// Says that something that decides was changed.
pub(crate) async fn raise(connection: &mut Connection) -> Result<(), Failure> {
    connection.execute(RAISE, &[]).await.map(|_| ())
}
