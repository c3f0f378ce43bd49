//! How the databases go about the statements of listings: one range of one index each, and nothing is sorted. A planner
//! that saves a look at the index by reading a whole directory makes a page hundreds of times slower, and no other
//! test notices.

use std::collections::BTreeSet;
use std::time::Duration;

use integration_tests::mariadb::MariaDb;
use integration_tests::server::DATABASE_SETTING;
use integration_tests::{Client, Database, Server};
use sqlx::mysql::{MySqlConnectOptions, MySqlRow};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, MySqlConnection, Row as _};
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(60);

/// How many directories there are, and the objects in each.
const DIRECTORIES: usize = 20;
const OBJECTS: usize = 3;

/// The rows of the large directory: ten to this power.
const MAGNITUDE: usize = 5;

const PAGE: &str = "WHERE parent_id = ? AND path >= ? AND path < ? ORDER BY path";
const FIRST: &str = "WHERE parent_id = ? ORDER BY path LIMIT 1";
const CHILDREN: &str = "WHERE parent_id IN (?";

/// A container of small directories.
async fn fill(client: &Client) {
    client.put("c", "").await.expect(201);
    for directory in 0..DIRECTORIES {
        for object in 0..OBJECTS {
            let path = format!("c/d{directory:02}/o{object}");
            client.put(&path, "x").await.expect(201);
        }
    }
}

/// Pages of every kind.
async fn list(client: &Client) {
    let all = client.list("c").await.expect(200);
    assert_eq!(all.entries().len(), DIRECTORIES * OBJECTS);
    client.list("c").query("reverse", "true").await.expect(200);
    client.list("c").query("delimiter", "/").await.expect(200);
    client
        .list("c")
        .query("marker", "d05/o1")
        .query("limit", "7")
        .await
        .expect(200);
    client.list("c").query("prefix", "d07/").await.expect(200);
    client.list("").await.expect(200);
}

/// The texts of the statements on pages that MariaDB was asked to prepare; not of those that look for names, which the server
/// also does by itself, and `search_plans` looks after.
async fn prepared(log: &mut MySqlConnection) -> BTreeSet<String> {
    let texts = "SELECT CAST(argument AS CHAR) FROM mysql.general_log WHERE command_type = 'Prepare'";
    let texts: Vec<String> = sqlx::query_scalar(texts)
        .fetch_all(log)
        .await
        .expect("the log can be read");
    let is_page = |text: &String| text.starts_with("SELECT") && text.contains("ORDER BY");
    let pages = texts.into_iter().filter(is_page);
    pages
        .filter(|text| text.contains("FROM stobj WHERE parent_id"))
        .collect()
}

/// The statements with which a server reads pages, of the forms it has.
async fn statements(client: &Client, log: &mut MySqlConnection) -> BTreeSet<String> {
    let begin = Instant::now();
    loop {
        list(client).await;
        let texts = prepared(log).await;
        let is_there = |form: &str, end: &str| {
            let of_form = |text: &&String| text.contains(form) && text.ends_with(end);
            texts.iter().any(|text| of_form(&text))
        };
        if [PAGE, CHILDREN]
            .iter()
            .all(|form| is_there(form, "path LIMIT ?") && is_there(form, "path DESC LIMIT ?"))
        {
            return texts;
        }
        assert!(
            begin.elapsed() < PATIENCE,
            "pages are read out of the database: {texts:#?}"
        );
    }
}

/// Puts rows below the first directory: many.
async fn grow(connection: &mut MySqlConnection) -> Vec<i64> {
    let directories = "SELECT id FROM stobj WHERE type = 3 ORDER BY id";
    let directories = sqlx::query_scalar(directories).fetch_all(&mut *connection).await;
    let directories: Vec<i64> = directories.expect("there are directories");
    assert_eq!(directories.len(), DIRECTORIES);
    let digits = "(SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 \
                  UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)";
    let names: Vec<_> = (0..MAGNITUDE).map(|place| format!("t{place}.n")).collect();
    let tables: Vec<_> = (0..MAGNITUDE)
        .map(|place| format!("{digits} AS t{place}"))
        .collect();
    let insert = format!(
        "INSERT INTO stobj (parent_id, path, account_id, type, is_object) \
         SELECT {}, CAST(CONCAT('n', {}) AS BINARY), 1, 4, 1 FROM {}",
        directories[0],
        names.join(", "),
        tables.join(", ")
    );
    let inserted = connection.execute(AssertSqlSafe(insert)).await;
    let rows = inserted.expect("rows can be inserted").rows_affected();
    assert_eq!(rows, 10_u64.pow(MAGNITUDE as u32));
    directories
}

/// What MariaDB plans for `statement`, with values as listings have them.
async fn plan(connection: &mut MySqlConnection, statement: &str, directories: &[i64]) -> Vec<MySqlRow> {
    let mut query = sqlx::query(AssertSqlSafe(format!("EXPLAIN {statement}")));
    if statement.contains(CHILDREN) {
        let places = statement.matches('?').count() - 1;
        for place in 0..places {
            query = query.bind(directories[place.min(directories.len() - 1)]);
        }
    } else if statement.contains(PAGE) {
        query = query
            .bind(directories[0])
            .bind(&b"n25"[..])
            .bind(&[0xff_u8; 2][..]);
    } else if statement.contains(FIRST) {
        let rows = query.bind(directories[0]).fetch_all(connection).await;
        return rows.unwrap_or_else(|error| panic!("{statement}: {error}"));
    } else {
        panic!("nobody has thought about the plan of: {statement}");
    }
    let rows = query.bind(1000_i64).fetch_all(connection).await;
    rows.unwrap_or_else(|error| panic!("{statement}: {error}"))
}

async fn check_plans(connection: &mut MySqlConnection, statements: &BTreeSet<String>, directories: &[i64]) {
    for statement in statements {
        let rows = plan(connection, statement, directories).await;
        let word = |column: &str| {
            let value: Option<String> = rows[0].get_unchecked(column);
            value.unwrap_or_default()
        };
        let said = format!("{} {} {}", word("type"), word("key"), word("Extra"));
        assert_eq!(rows.len(), 1, "{statement}: {said}");
        let is_of_whole_directory = statement.contains(FIRST) && word("type") == "ref";
        assert!(
            word("type") == "range" || is_of_whole_directory,
            "{statement}: {said}"
        );
        assert_eq!(word("key"), "PRIMARY", "{statement}: {said}");
        let extra = word("Extra");
        assert!(
            !extra.contains("filesort") && !extra.contains("temporary"),
            "{statement}: {said}"
        );
    }
}

/// The statements of listings are the same in both dialects, so that MariaDB's log tells those of SQLite.
async fn check_plans_of_sqlite(statements: &BTreeSet<String>) {
    let server = Server::builder().database(Database::Sqlite).start().await;
    let client = server.tester().await;
    fill(&client).await;
    list(&client).await;
    let options = SqliteConnectOptions::new().filename(server.data().join("stobj.sqlite"));
    let mut connection = options.connect().await.expect("the server has made the file");
    for statement in statements {
        let text = format!("EXPLAIN QUERY PLAN {statement}");
        let plan = sqlx::query(AssertSqlSafe(text)).fetch_all(&mut connection).await;
        let plan = plan.unwrap_or_else(|error| panic!("{statement}: {error}"));
        let steps: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
        let steps: Vec<_> = steps
            .iter()
            .filter(|step| !step.starts_with("USING LIST"))
            .collect();
        assert_eq!(steps.len(), 1, "{statement}: {steps:?}");
        let plan = steps[0].replace("COVERING ", "");
        let wanted = match statement.contains(CHILDREN) || statement.contains(FIRST) {
            true => "USING INDEX sqlite_autoindex_stobj_1 (parent_id=?)",
            false => "USING INDEX sqlite_autoindex_stobj_1 (parent_id=? AND path>? AND path<?)",
        };
        assert!(plan.ends_with(wanted), "{statement}: {steps:?}");
    }
}

#[tokio::test]
async fn a_page_is_one_range_of_the_primary_key_whatever_the_statistics_say() {
    let mariadb = MariaDb::start().await;
    let options: MySqlConnectOptions = mariadb.url().parse().expect("it is a URL");
    let mut connection = options.connect().await.expect("MariaDB runs");
    let log =
        "SET GLOBAL log_output = 'TABLE', GLOBAL general_log = ON, GLOBAL innodb_stats_auto_recalc = OFF";
    connection.execute(log).await.expect("root may");
    let server = Server::builder()
        .database(Database::Sqlite)
        .variable(DATABASE_SETTING, &mariadb.url())
        .start()
        .await;
    let client = server.tester().await;
    fill(&client).await;
    let statements = statements(&client, &mut connection).await;

    // The statistics are those of the few rows that were there before.
    let directories = grow(&mut connection).await;
    check_plans(&mut connection, &statements, &directories).await;
    connection.execute("ANALYZE TABLE stobj").await.expect("root may");
    check_plans(&mut connection, &statements, &directories).await;
    for rows in [0, 3, 100_000_000] {
        let stale = format!(
            "UPDATE mysql.innodb_table_stats SET n_rows = {rows}, clustered_index_size = 1 \
             WHERE table_name = 'stobj'"
        );
        connection.execute(AssertSqlSafe(stale)).await.expect("root may");
        connection.execute("FLUSH TABLES").await.expect("root may");
        check_plans(&mut connection, &statements, &directories).await;
    }
    connection.close().await.expect("MariaDB runs");
    check_plans_of_sqlite(&statements).await;
}
