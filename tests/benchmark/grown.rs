//! Trees that are only rows: a store whose mirror is filled past the server, while that does not run.
//!
//! Listings and searches read nothing but the mirror, so that the files need not be there; the rows are those that storing
//! them would have made. A million of them takes seconds so, and many minutes by requests.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use integration_tests::MariaDb;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, MySqlConnection, SqliteConnection};

use crate::laboratory::Laboratory;
use crate::store::{Durability, Store};

pub(crate) const CONTAINER: &str = "bench-grown";
/// Rows of one statement.
const ROWS: usize = 500;
/// How long names may take until they are packed for searches.
const PATIENCE: Duration = Duration::from_secs(120);

/// How a tree looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A thousand objects in each directory.
    Wide,
    /// Ten in each, and ten directories in each above.
    Bushy,
}

/// Where the mirror lies.
pub(crate) enum Base {
    Sqlite,
    MariaDb(MariaDb),
}

/// One database of it.
enum Connection {
    Sqlite(SqliteConnection),
    MariaDb(MySqlConnection),
}

impl Shape {
    pub(crate) const ALL: [Self; 2] = [Self::Wide, Self::Bushy];

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Wide => "1,000 a directory",
            Self::Bushy => "10 a directory",
        }
    }

    /// The directory of an object, with the slash at its end. Directories are in the order of their objects.
    pub(crate) fn directory(self, object: usize) -> String {
        match self {
            Self::Wide => format!("{:06}/", object / 1000),
            Self::Bushy => {
                let digits = format!("{:05}", object / 10);
                digits.chars().flat_map(|digit| [digit, '/']).collect()
            }
        }
    }

    /// The last segment of the name of one of so many objects; a single one is `.rare`.
    pub(crate) fn segment(object: usize, objects: usize) -> String {
        let ending = if object == objects / 8 * 7 { "rare" } else { "jpeg" };
        format!("object-{object:07}.{ending}")
    }

    pub(crate) fn name(self, object: usize, objects: usize) -> String {
        self.directory(object) + &Self::segment(object, objects)
    }
}

impl Base {
    /// SQLite, and a MariaDB whose data lie below the laboratory's directory.
    pub(crate) async fn all(laboratory: &Laboratory) -> Result<[Self; 2]> {
        let mariadb = MariaDb::start_roomy(&laboratory.fresh()?).await;
        Ok([Self::Sqlite, Self::MariaDb(mariadb)])
    }

    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::MariaDb(_) => "MariaDB",
        }
    }

    /// Its process, where it has one of its own.
    pub(crate) fn process(&self) -> Option<u32> {
        match self {
            Self::Sqlite => None,
            Self::MariaDb(mariadb) => Some(mariadb.process_id()),
        }
    }

    /// The settings of a store in `directory` whose mirror is here, in a database of its own.
    pub(crate) async fn settings(&self, directory: &Path) -> Result<String> {
        let Self::MariaDb(mariadb) = self else {
            return Ok(String::new());
        };
        let name = name_of(directory)?;
        let mut connection = options(mariadb)?.connect().await?;
        connection
            .execute(AssertSqlSafe(format!("CREATE DATABASE IF NOT EXISTS {name}")))
            .await?;
        let url = options(mariadb)?.database(&name).to_url_lossy();
        Ok(format!("[account-server]\ndatabase = \"{url}\"\n"))
    }

    async fn connect(&self, directory: &Path) -> Result<Connection> {
        Ok(match self {
            Self::Sqlite => {
                let file = directory.join("data/stobj.sqlite");
                Connection::Sqlite(SqliteConnectOptions::new().filename(file).connect().await?)
            }
            Self::MariaDb(mariadb) => {
                let options = options(mariadb)?.database(&name_of(directory)?);
                Connection::MariaDb(options.connect().await?)
            }
        })
    }

    /// A running store with so many objects in its only container, all of whose names are packed for searches.
    pub(crate) async fn grown(&self, laboratory: &Laboratory, shape: Shape, objects: usize) -> Result<Store> {
        let directory = laboratory.fresh()?;
        let settings = self.settings(&directory).await?;
        let store = Store::start_so(laboratory, &directory, Durability::Durable, &settings).await?;
        store.endpoint.put(CONTAINER, Bytes::new()).await?;
        // The end of the server is also the end of its mirror's backlog.
        let directory: PathBuf = store.stop().await?;
        let mut connection = self.connect(&directory).await?;
        fill(&mut connection, shape, objects).await?;
        let store = Store::start_so(laboratory, &directory, Durability::Durable, &settings).await?;
        // What is less than a block of 4,096 names is not packed.
        let packed = async {
            while connection.number("SELECT COUNT(*) FROM search_block").await? < (objects / 4096) as i64 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(PATIENCE, packed)
            .await
            .context("the names are not packed")??;
        Ok(store)
    }
}

fn options(mariadb: &MariaDb) -> Result<MySqlConnectOptions> {
    let options: MySqlConnectOptions = mariadb.url().parse()?;
    Ok(options.disable_statement_logging())
}

/// The database of the store in `directory`, which has a name of its own.
fn name_of(directory: &Path) -> Result<String> {
    let name = directory.file_name().context("a directory has a name")?;
    Ok(format!("bench_{}", name.to_string_lossy()))
}

impl Connection {
    async fn execute(&mut self, text: String) -> Result<()> {
        match self {
            Self::Sqlite(connection) => connection.execute(AssertSqlSafe(text)).await.map(|_| ())?,
            Self::MariaDb(connection) => connection.execute(AssertSqlSafe(text)).await.map(|_| ())?,
        }
        Ok(())
    }

    async fn number(&mut self, text: &'static str) -> Result<i64> {
        Ok(match self {
            Self::Sqlite(connection) => sqlx::query_scalar(text).fetch_one(connection).await?,
            Self::MariaDb(connection) => sqlx::query_scalar(text).fetch_one(connection).await?,
        })
    }
}

/// A directory of the tree.
struct Directory {
    id: i64,
    objects: usize,
}

/// Puts the rows of so many objects of a byte each, and of their directories, into the only container.
async fn fill(connection: &mut Connection, shape: Shape, objects: usize) -> Result<()> {
    let container = connection.number("SELECT id FROM stobj WHERE type = 2").await?;
    let account = connection
        .number("SELECT account_id FROM stobj WHERE type = 2")
        .await?;
    let mut next = connection.number("SELECT MAX(id) + 1 FROM stobj").await?;
    // In the order of their names a directory comes before those in it.
    let mut directories: BTreeMap<String, Directory> = BTreeMap::new();
    for object in 0..objects {
        let directory = shape.directory(object);
        for (at, _) in directory.match_indices('/') {
            let directory = directories.entry(directory[..=at].to_owned()).or_insert_with(|| {
                let id = next;
                next += 1;
                Directory { id, objects: 0 }
            });
            directory.objects += 1;
        }
    }
    connection.execute("BEGIN".to_owned()).await?;
    let mut rows = Rows::default();
    for (name, directory) in &directories {
        let (above, segment) = parted(name.trim_end_matches('/'));
        let parent = directories.get(above).map_or(container, |above| above.id);
        let (id, count) = (directory.id, directory.objects);
        let segment = hexadecimal(&format!("{segment}/"));
        rows.add(format!(
            "({parent}, {segment}, {id}, {account}, 3, 0, 0, 0, 0, 0, NULL, NULL, {count}, {count})"
        ));
        rows.send(connection, ROWS).await?;
    }
    for object in 0..objects {
        let directory = shape.directory(object);
        let parent = directories
            .get(&directory)
            .context("every directory is there")?
            .id;
        let segment = hexadecimal(&Shape::segment(object, objects));
        let id = next + object as i64;
        rows.add(format!(
            "({parent}, {segment}, {id}, {account}, 4, 1, 1, 170000000000000, 170000000000000, 1, \
             'd41d8cd98f00b204e9800998ecf8427e', 'image/jpeg', 0, 0)"
        ));
        rows.send(connection, ROWS).await?;
    }
    rows.send(connection, 1).await?;
    connection
        .execute(format!(
            "UPDATE stobj SET sub_objects = sub_objects + {objects}, sub_bytes = sub_bytes + {objects} \
             WHERE account_id = {account} AND type IN (1, 2)"
        ))
        .await?;
    connection.execute("COMMIT".to_owned()).await?;
    let found = connection
        .number("SELECT COUNT(*) FROM stobj WHERE type = 4")
        .await?;
    ensure!(found == objects as i64, "{found} rows of {objects} were made");
    Ok(())
}

/// Rows that wait to be inserted.
#[derive(Default)]
struct Rows(Vec<String>);

impl Rows {
    fn add(&mut self, row: String) {
        self.0.push(row);
    }

    /// Inserts them, when there are so many.
    async fn send(&mut self, connection: &mut Connection, least: usize) -> Result<()> {
        if self.0.len() < least {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.0).join(", ");
        let insert = "INSERT INTO stobj (parent_id, path, id, account_id, type, is_object, seq, timestamp, created, bytes, etag, \
                      content_type, sub_objects, sub_bytes) VALUES";
        connection.execute(format!("{insert} {rows}")).await
    }
}

/// What stands before the last segment, with its slash, and that segment.
fn parted(name: &str) -> (&str, &str) {
    name.rfind('/').map_or(("", name), |at| name.split_at(at + 1))
}

/// The bytes as both databases read them.
fn hexadecimal(text: &str) -> String {
    let mut literal = "x'".to_owned();
    for byte in text.bytes() {
        let _ = write!(literal, "{byte:02x}");
    }
    literal + "'"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_named_in_their_order() {
        for shape in Shape::ALL {
            let names: Vec<String> = (0..3000).map(|object| shape.name(object, 3000)).collect();
            assert!(names.is_sorted(), "{shape:?}");
        }
        assert_eq!(
            Shape::Bushy.name(123_456, 1_000_000),
            "1/2/3/4/5/object-0123456.jpeg"
        );
        assert_eq!(Shape::Wide.name(123_456, 1_000_000), "000123/object-0123456.jpeg");
        assert_eq!(parted("a/b"), ("a/", "b"));
        assert_eq!(hexadecimal("a/"), "x'612f'");
    }
}
