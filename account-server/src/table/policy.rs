//! `policy`: the version of what decides, raised with every change of it.

use super::{counted, stored};
use crate::sql::{Connection, Failure, Text};

const VERSION: Text = Text::both("policy.version", "SELECT version FROM policy WHERE id = 1");

const TOUCH: Text = Text::both("policy.touch", "UPDATE policy SET version = version WHERE id = 1");

/// Where there is no row the first run makes one of version 0.
const RAISE: Text = Text {
    name: "policy.raise",
    sqlite: "INSERT INTO policy (id, version) VALUES (1, 0) ON CONFLICT (id) DO UPDATE SET version = version + 1",
    mysql: "INSERT INTO policy (id, version) VALUES (1, 0) ON DUPLICATE KEY UPDATE version = version + 1",
};

const SET: Text = Text::both("policy.set", "UPDATE policy SET version = ? WHERE id = 1");

/// What became of the version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Raised {
    /// It is this now.
    To(u64),
    /// There is none, though somebody has seen one: the database was emptied.
    Emptied,
    /// Somebody has seen a higher one: the database is of an older day.
    Older,
}

/// The version; 0 when nothing was ever decided on.
pub(crate) async fn version(connection: &mut Connection) -> Result<u64, Failure> {
    let row = connection.first(VERSION, &[]).await?;
    row.map_or(Ok(0), |row| row.int(0).map(counted))
}

/// Changes nothing, but only where something could be changed: a database that may just be read refuses it.
pub(crate) async fn touch(connection: &mut Connection) -> Result<(), Failure> {
    connection.execute(TOUCH, &[]).await.map(|_| ())
}

/// Says that something that decides was changed, in a database that is not behind `seen`, the highest version that
/// anybody has seen.
pub(crate) async fn raise(connection: &mut Connection, seen: u64) -> Result<Raised, Failure> {
    connection.execute(RAISE, &[]).await?;
    match version(connection).await? {
        0 if seen > 0 => Ok(Raised::Emptied),
        0 => {
            connection.execute(RAISE, &[]).await?;
            Ok(Raised::To(1))
        }
        version if version <= seen => Ok(Raised::Older),
        version => Ok(Raised::To(version)),
    }
}

/// Gives a database without version its first; answers whether it had none.
pub(crate) async fn begin(connection: &mut Connection, first: u64) -> Result<bool, Failure> {
    connection.execute(RAISE, &[]).await?;
    let is_empty = version(connection).await? == 0;
    if is_empty {
        connection.execute(SET, &[stored(first).into()]).await?;
    }
    Ok(is_empty)
}
