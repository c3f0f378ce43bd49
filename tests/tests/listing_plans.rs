//! How the databases go about the statements of listings: one range of one index each, and nothing is sorted. A planner
//! that saves a look at the index by reading a whole directory makes a page hundreds of times slower, and no other
//! test notices.

use std::collections::BTreeSet;
use std::time::Duration;

use integration_tests::planner::{Planner, Step, sqlite, sqlite_steps};
use integration_tests::{Client, Database, Server};
use sqlx::{AssertSqlSafe, Executor as _, MySqlConnection};
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(60);

/// How many directories there are, and the objects in each.
const DIRECTORIES: usize = 20;
const OBJECTS: usize = 3;

/// The rows of the large directory.
const ROWS: u64 = 100_000;

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
async fn prepared(planner: &mut Planner) -> BTreeSet<String> {
    let is_page = |text: &String| text.starts_with("SELECT") && text.contains("ORDER BY");
    let pages = planner.prepared().await.into_iter().filter(is_page);
    pages
        .filter(|text| text.contains("FROM stobj WHERE parent_id"))
        .collect()
}

/// The statements with which a server reads pages, of the forms it has.
async fn statements(client: &Client, planner: &mut Planner) -> BTreeSet<String> {
    let begin = Instant::now();
    loop {
        list(client).await;
        let texts = prepared(planner).await;
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
    let insert = format!(
        "INSERT INTO stobj (parent_id, path, account_id, type, is_object) \
         SELECT {}, CAST(CONCAT('n', LPAD(seq, 5, '0')) AS BINARY), 1, 4, 1 FROM seq_0_to_{}",
        directories[0],
        ROWS - 1
    );
    let inserted = connection.execute(AssertSqlSafe(insert)).await;
    assert_eq!(inserted.expect("rows can be inserted").rows_affected(), ROWS);
    directories
}

/// What MariaDB plans for `statement`, with values as listings have them.
async fn plan(planner: &mut Planner, statement: &str, directories: &[i64]) -> Step {
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
        return planner.step(query.bind(directories[0]), statement).await;
    } else {
        panic!("nobody has thought about the plan of: {statement}");
    }
    planner.step(query.bind(1000_i64), statement).await
}

async fn check_plans(planner: &mut Planner, statements: &BTreeSet<String>, directories: &[i64]) {
    for statement in statements {
        let step = plan(planner, statement, directories).await;
        let is_of_whole_directory = statement.contains(FIRST) && step.kind == "ref";
        assert!(
            step.kind == "range" || is_of_whole_directory,
            "{statement}: {step:?}"
        );
        assert_eq!(step.key, "PRIMARY", "{statement}: {step:?}");
        assert!(
            !step.extra.contains("filesort") && !step.extra.contains("temporary"),
            "{statement}: {step:?}"
        );
    }
}

/// The statements of listings are the same in both dialects, so that MariaDB's log tells those of SQLite.
async fn check_plans_of_sqlite(statements: &BTreeSet<String>) {
    let server = Server::builder().database(Database::Sqlite).start().await;
    let client = server.tester().await;
    fill(&client).await;
    list(&client).await;
    let mut connection = sqlite(&server).await;
    for statement in statements {
        let steps = sqlite_steps(&mut connection, statement).await;
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
    let mut planner = Planner::start().await;
    let server = planner.server().start().await;
    let client = server.tester().await;
    fill(&client).await;
    let statements = statements(&client, &mut planner).await;

    // The statistics are those of the few rows that were there before.
    let directories = grow(&mut planner.connection).await;
    check_plans(&mut planner, &statements, &directories).await;
    planner
        .connection
        .execute("ANALYZE TABLE stobj")
        .await
        .expect("root may");
    check_plans(&mut planner, &statements, &directories).await;
    for rows in [0, 3, 100_000_000] {
        let stale = format!(
            "UPDATE mysql.innodb_table_stats SET n_rows = {rows}, clustered_index_size = 1 \
             WHERE table_name = 'stobj'"
        );
        planner
            .connection
            .execute(AssertSqlSafe(stale))
            .await
            .expect("root may");
        planner
            .connection
            .execute("FLUSH TABLES")
            .await
            .expect("root may");
        check_plans(&mut planner, &statements, &directories).await;
    }
    check_plans_of_sqlite(&statements).await;
}
