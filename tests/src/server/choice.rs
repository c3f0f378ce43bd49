//! What a store is made of: which processes, which database.

use crate::mariadb::OwnDatabase;

/// `split` makes every server that does not say otherwise one of three processes.
const SHAPE: &str = "STOBJ_TEST_SHAPE";

/// `mariadb` gives every server that does not say otherwise a database there.
const DATABASE: &str = "STOBJ_TEST_DATABASE";

/// Which processes the store is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// `stobj serve`: all in one.
    #[default]
    Single,
    /// `stobj proxy`, `stobj object-server` and `stobj account-server`, over one directory.
    Split,
}

/// What keeps the mirror and the users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Database {
    /// A file below the data directory.
    #[default]
    Sqlite,
    /// A database of the server's own in the MariaDB of this run.
    MariaDb,
}

impl Shape {
    /// What the environment asks for.
    pub fn wanted() -> Self {
        wanted(SHAPE, &[("single", Self::Single), ("split", Self::Split)])
    }
}

impl Database {
    /// A new database, where there must be one: SQLite makes its own.
    pub async fn create(self) -> Option<OwnDatabase> {
        match self {
            Self::Sqlite => None,
            Self::MariaDb => Some(OwnDatabase::create().await),
        }
    }

    /// What the environment asks for.
    pub fn wanted() -> Self {
        wanted(DATABASE, &[("sqlite", Self::Sqlite), ("mariadb", Self::MariaDb)])
    }
}

fn wanted<T: Copy + Default>(variable: &str, choices: &[(&str, T)]) -> T {
    let Ok(asked) = std::env::var(variable) else {
        return T::default();
    };
    let choice = choices.iter().find(|(name, _)| *name == asked);
    let names = || {
        choices
            .iter()
            .map(|(name, _)| *name)
            .collect::<Vec<_>>()
            .join(" nor ")
    };
    choice
        .unwrap_or_else(|| panic!("{variable} is {asked:?}, neither {}", names()))
        .1
}
