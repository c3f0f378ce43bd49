//! The schema of both databases, as they say themselves after the server has made it: the same in all that matters.

use std::collections::{BTreeMap, BTreeSet};

use integration_tests::{Database, Server};
use sqlx::mysql::MySqlRow;
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, MySqlConnection, Row as _, SqliteConnection};

type Schema = BTreeMap<String, Table>;

/// A table, without the words in which one of the databases says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Table {
    /// In their order.
    columns: Vec<Column>,
    primary: Vec<String>,
    /// Column lists that are unique; the primary one too.
    unique: BTreeSet<Vec<String>>,
    /// Other indexes.
    indexes: BTreeSet<Vec<String>>,
    references: BTreeSet<Reference>,
    /// Whether the database numbers its rows and gives no number twice.
    is_numbered: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Column {
    name: String,
    kind: Kind,
    is_nullable: bool,
    default: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Integer,
    Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Reference {
    column: String,
    table: String,
    to: String,
    on_delete: String,
}

impl Kind {
    fn of(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "integer" | "tinyint" | "smallint" | "bigint" => Self::Integer,
            "blob" | "mediumblob" | "varbinary" => Self::Bytes,
            other => panic!("a column of type {other} is in no database of ours"),
        }
    }
}

async fn sqlite_rows(connection: &mut SqliteConnection, text: String) -> Vec<SqliteRow> {
    let rows = sqlx::query(AssertSqlSafe(text.clone()))
        .fetch_all(connection)
        .await;
    rows.unwrap_or_else(|error| panic!("{text}: {error}"))
}

async fn sqlite_schema(connection: &mut SqliteConnection) -> Schema {
    let tables = "SELECT name, sql FROM sqlite_master WHERE type = 'table' \
                  AND name NOT LIKE 'sqlite_%' AND name <> '_sqlx_migrations'";
    let mut schema = Schema::new();
    for row in sqlite_rows(connection, tables.to_owned()).await {
        let (name, sql): (String, String) = (row.get(0), row.get(1));
        let mut table = sqlite_table(connection, &name).await;
        table.is_numbered = sql.contains("AUTOINCREMENT");
        schema.insert(name, table);
    }
    schema
}

async fn sqlite_table(connection: &mut SqliteConnection, name: &str) -> Table {
    let mut table = Table::default();
    let mut keys: Vec<(i64, String)> = Vec::new();
    let columns = format!("SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info('{name}')");
    for row in sqlite_rows(connection, columns).await {
        let column = Column {
            name: row.get(0),
            kind: Kind::of(&row.get::<String, _>(1)),
            is_nullable: row.get::<i64, _>(2) == 0,
            default: row.get(3),
        };
        if row.get::<i64, _>(4) > 0 {
            keys.push((row.get(4), column.name.clone()));
        }
        table.columns.push(column);
    }
    keys.sort();
    table.primary = keys.into_iter().map(|(_, name)| name).collect();
    table.unique.insert(table.primary.clone());
    let indexes = format!("SELECT name, \"unique\" FROM pragma_index_list('{name}')");
    for row in sqlite_rows(connection, indexes).await {
        let index: String = row.get(0);
        let columns = format!("SELECT name FROM pragma_index_info('{index}') ORDER BY seqno");
        let columns = sqlite_rows(connection, columns).await;
        let columns: Vec<String> = columns.iter().map(|row| row.get(0)).collect();
        if row.get::<i64, _>(1) == 1 {
            table.unique.insert(columns);
        } else {
            table.indexes.insert(columns);
        }
    }
    let keys =
        format!("SELECT \"from\", \"table\", \"to\", on_delete FROM pragma_foreign_key_list('{name}')");
    for row in sqlite_rows(connection, keys).await {
        table.references.insert(Reference {
            column: row.get(0),
            table: row.get(1),
            to: row.get(2),
            on_delete: row.get(3),
        });
    }
    table
}

async fn mysql_rows(connection: &mut MySqlConnection, text: &'static str) -> Vec<MySqlRow> {
    let rows = sqlx::query(text).fetch_all(connection).await;
    rows.unwrap_or_else(|error| panic!("{text}: {error}"))
}

async fn mysql_schema(connection: &mut MySqlConnection) -> Schema {
    let mut schema = Schema::new();
    let columns = "SELECT CAST(table_name AS CHAR), CAST(column_name AS CHAR), CAST(data_type AS CHAR), \
                   CAST(is_nullable AS CHAR), CAST(column_default AS CHAR), CAST(extra AS CHAR) \
                   FROM information_schema.columns WHERE table_schema = DATABASE() \
                   AND table_name <> '_sqlx_migrations' ORDER BY table_name, ordinal_position";
    for row in mysql_rows(connection, columns).await {
        let table = schema.entry(row.get(0)).or_default();
        // MariaDB writes out the default that every nullable column has.
        let default: Option<String> = row.get(4);
        table.columns.push(Column {
            name: row.get(1),
            kind: Kind::of(&row.get::<String, _>(2)),
            is_nullable: row.get::<String, _>(3) == "YES",
            default: default.filter(|default| default != "NULL"),
        });
        table.is_numbered |= row.get::<String, _>(5).contains("auto_increment");
    }
    let indexes = "SELECT CAST(table_name AS CHAR), CAST(index_name AS CHAR), CAST(non_unique AS SIGNED), \
                   CAST(column_name AS CHAR) FROM information_schema.statistics \
                   WHERE table_schema = DATABASE() AND table_name <> '_sqlx_migrations' \
                   ORDER BY table_name, index_name, seq_in_index";
    let mut found: BTreeMap<(String, String, i64), Vec<String>> = BTreeMap::new();
    for row in mysql_rows(connection, indexes).await {
        let index = (row.get(0), row.get(1), row.get(2));
        found.entry(index).or_default().push(row.get(3));
    }
    for ((table, index, non_unique), columns) in found {
        let table = schema.entry(table).or_default();
        if index == "PRIMARY" {
            table.primary.clone_from(&columns);
        }
        if non_unique == 0 {
            table.unique.insert(columns);
        } else {
            table.indexes.insert(columns);
        }
    }
    let keys = "SELECT CAST(c.table_name AS CHAR), CAST(c.column_name AS CHAR), \
                CAST(c.referenced_table_name AS CHAR), CAST(c.referenced_column_name AS CHAR), \
                CAST(r.delete_rule AS CHAR) \
                FROM information_schema.key_column_usage AS c \
                JOIN information_schema.referential_constraints AS r \
                ON r.constraint_schema = c.constraint_schema AND r.constraint_name = c.constraint_name \
                WHERE c.table_schema = DATABASE()";
    for row in mysql_rows(connection, keys).await {
        schema
            .entry(row.get(0))
            .or_default()
            .references
            .insert(Reference {
                column: row.get(1),
                table: row.get(2),
                to: row.get(3),
                on_delete: row.get(4),
            });
    }
    schema
}

/// What both databases are after the server's first start on each.
async fn migrated() -> (Schema, Schema) {
    let on_sqlite = Server::builder().database(Database::Sqlite).start().await;
    let options = SqliteConnectOptions::new().filename(on_sqlite.data().join("stobj.sqlite"));
    let mut sqlite = options.connect().await.expect("the server has made the file");
    let on_mysql = Server::builder().database(Database::MariaDb).start().await;
    let database = on_mysql.built().own_database().await;
    let mut mysql = database.expect("it was asked for").connect().await;
    (sqlite_schema(&mut sqlite).await, mysql_schema(&mut mysql).await)
}

#[tokio::test]
async fn both_databases_have_the_same_schema() {
    let (mut sqlite, mut mysql) = migrated().await;
    let names: Vec<_> = sqlite.keys().cloned().collect();
    assert_eq!(
        names,
        [
            "policy",
            "record",
            "revocation",
            "search_block",
            "stobj",
            "tree_epoch",
            "user"
        ]
    );

    // The one difference on purpose: MySQL keeps the rows in the order of their primary key, which a page is read in,
    // and SQLite in that of their number.
    let nodes =
        |schema: &mut Schema| std::mem::take(&mut schema.get_mut("stobj").expect("it is there").primary);
    assert_eq!(nodes(&mut sqlite), ["id"]);
    assert_eq!(nodes(&mut mysql), ["parent_id", "path"]);

    for (name, table) in &sqlite {
        assert_eq!(Some(table), mysql.get(name), "table {name}");
    }
    assert_eq!(sqlite.len(), mysql.len());
    // What is compared was really found.
    assert!(
        sqlite["stobj"]
            .unique
            .contains(&vec!["parent_id".to_owned(), "path".to_owned()])
    );
    assert_eq!(sqlite["stobj"].columns.len(), 23);
    assert_eq!(sqlite["record"].primary, ["time", "id"]);
    assert_eq!(sqlite["record"].indexes.len(), 5);
    assert!(sqlite["user"].is_numbered && !sqlite["policy"].is_numbered);
}
