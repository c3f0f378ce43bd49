//! How the databases go about the statements of searches: each is one range of the index that was made for them, in its order,
//! and reads nothing else. And that this index leads no other statement astray that names an account.

use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;
use integration_tests::mariadb::MariaDb;
use integration_tests::server::{ADMIN_PASSWORD, DATABASE_SETTING};
use integration_tests::{Client, Database, Server};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, MySqlConnection, Row as _};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

/// What tells MariaDB's statements apart, how SQLite's say the same, and how SQLite says that it searches.
const FORMS: [(&str, &str, &str); 5] = [
    (
        "account_id >= ? AND account_id <= ? AND path >= ? AND path <= ? AND id > ?",
        "account_id = ? AND path = ? AND id > ?",
        "(account_id=? AND path=? AND id>?)",
    ),
    (
        "account_id >= ? AND account_id <= ? AND path > ?",
        "account_id = ? AND path > ?",
        "(account_id=? AND path>?)",
    ),
    ("WHERE account_id > ?", "WHERE account_id > ?", "(account_id>?)"),
    (
        "account_id >= ? AND account_id <= ? AND path >= ? AND path <= ? AND id < ?",
        "account_id = ? AND path = ? AND id < ?",
        "(account_id=? AND path=? AND id<?)",
    ),
    (
        "account_id >= ? AND account_id <= ? AND path < ?",
        "account_id = ? AND path < ?",
        "(account_id=? AND path<?)",
    ),
];

/// Another statement on the rows of an account.
const DISABLED: &str = "state = 1 AND account_id = ?";

/// What is in no block of names yet.
const NOT_PACKED: &str = "id > ? ORDER BY account_id, id LIMIT ?";

/// Blocks of names.
const BLOCKS: [&str; 2] = [
    "number > ? ORDER BY number LIMIT",
    "number < ? ORDER BY number DESC",
];

/// Of each account a block is made at once.
const SMALL_BLOCKS: &str = "[account-server]\nsearch_block_names = 2";

const OBJECTS: usize = 3;

/// The rows of the large container: ten to this power.
const MAGNITUDE: usize = 5;

async fn fill(client: &Client) {
    client.put("c", "").await.expect(201);
    for object in 0..OBJECTS {
        client.put(&format!("c/d{object}/same"), "x").await.expect(201);
    }
}

/// Searches of every kind.
async fn search(admin: &Client) {
    for scope in [r#""account": "AUTH_test", "#, ""] {
        for sort in ["name", "-name", "size"] {
            let mut cursor = String::new();
            for _ in 0..2 {
                // Every name: blocks are asked for what only some are.
                let asked = format!(r#"{{{scope}"name": "*", "sort": "{sort}", "limit": 1{cursor}}}"#);
                let found = admin.request_at(Method::POST, "/f/search/find").body(asked);
                let found = found.await.expect(200).json();
                assert!(
                    found["results"]
                        .as_array()
                        .is_some_and(|results| results.len() <= 1)
                );
                if let Some(next) = found["cursor"].as_str() {
                    cursor = format!(r#", "cursor": "{next}""#);
                }
            }
        }
    }
    let asked = r#"{"account": "AUTH_test", "name": "same"}"#;
    let found = admin.request_at(Method::POST, "/f/search/find").body(asked);
    let found = found.await.expect(200).json();
    assert_eq!(found["results"].as_array().map(Vec::len), Some(OBJECTS));
    let asked = admin.request_at(Method::POST, "/f/firewall/list");
    asked.body(r#"{"account": "AUTH_test"}"#).await.expect(200);
}

/// The statements that MariaDB was asked to prepare, when all kinds are among them.
async fn prepared(log: &mut MySqlConnection) -> Option<BTreeSet<String>> {
    let texts = "SELECT CAST(argument AS CHAR) FROM mysql.general_log WHERE command_type = 'Prepare'";
    let texts: Vec<String> = sqlx::query_scalar(texts)
        .fetch_all(log)
        .await
        .expect("the log can be read");
    let others = [DISABLED, NOT_PACKED, BLOCKS[0], BLOCKS[1]];
    let is_one =
        |text: &String| text.contains("(id & ?) = ?") || others.iter().any(|other| text.contains(other));
    let found: BTreeSet<String> = texts.into_iter().filter(is_one).collect();
    (found.len() == FORMS.len() + others.len()).then_some(found)
}

/// Puts many rows into the container, as wide as rows are: reading them is dearer than reading an index.
async fn grow(connection: &mut MySqlConnection) {
    let digits = "(SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 \
                  UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)";
    let names: Vec<_> = (0..MAGNITUDE).map(|place| format!("t{place}.n")).collect();
    let tables: Vec<_> = (0..MAGNITUDE)
        .map(|place| format!("{digits} AS t{place}"))
        .collect();
    let insert = format!(
        "INSERT INTO stobj (parent_id, path, account_id, type, is_object, etag, content_type, metadata) \
         SELECT c.id, CAST(CONCAT('n', {}) AS BINARY), c.account_id, 4, 1, REPEAT('e', 32), 'image/jpeg', \
         REPEAT('m', 100) FROM {}, \
         (SELECT id, account_id FROM stobj WHERE type = 2 AND path = 'c') AS c",
        names.join(", "),
        tables.join(", ")
    );
    let inserted = connection.execute(AssertSqlSafe(insert)).await;
    let rows = inserted.expect("rows can be inserted").rows_affected();
    assert_eq!(rows, 10_u64.pow(MAGNITUDE as u32));
}

async fn check_plan(connection: &mut MySqlConnection, statement: &str, account_id: i64) {
    // Prepared anew each time: of one that is explained again MariaDB no longer says that it reads only the index.
    let mut query = sqlx::query(AssertSqlSafe(format!("EXPLAIN {statement}"))).persistent(false);
    let is_search = statement.contains("(id & ?) = ?");
    let is_of_all = statement.contains("WHERE account_id > ?");
    query = query.bind(if is_of_all { 0 } else { account_id });
    if is_search {
        if !is_of_all {
            query = query.bind(account_id).bind(&b"n25000"[..]);
        }
        if statement.contains("path >= ?") {
            query = query.bind(&b"n25000"[..]).bind(7_i64);
        }
        query = query.bind(&b"%99%"[..]).bind(2_i64).bind(5_i64);
        for _ in 0..2 {
            query = query.bind(0_i64).bind(i64::MAX);
        }
        query = query.bind(4095_i64).bind(17_i64);
    } else {
        if statement.contains(NOT_PACKED) {
            query = query.bind(account_id);
        }
        query = query.bind(7_i64);
    }
    let rows = query.bind(256_i64).fetch_all(connection).await;
    let rows = rows.unwrap_or_else(|error| panic!("{statement}: {error}"));
    let word = |column: &str| {
        let value: Option<String> = rows[0].get_unchecked(column);
        value.unwrap_or_default()
    };
    let said = format!("{} {} {}", word("type"), word("key"), word("Extra"));
    assert_eq!(rows.len(), 1, "{statement}: {said}");
    assert!(!word("Extra").contains("filesort"), "{statement}: {said}");
    if is_search {
        assert_eq!(word("key"), "k_search", "{statement}: {said}");
        assert!(word("Extra").contains("Using index"), "{statement}: {said}");
        // All accounts are all of the index.
        let is_all = is_of_all && word("type") == "index";
        assert!(is_all || word("type") == "range", "{statement}: {said}");
    } else if statement.contains(NOT_PACKED) {
        assert_eq!(word("key"), "k_account_id", "{statement}: {said}");
        assert_eq!(word("type"), "range", "{statement}: {said}");
        assert!(word("Extra").contains("Using index"), "{statement}: {said}");
    } else if BLOCKS.iter().any(|some| statement.contains(some)) {
        assert_eq!(word("key"), "PRIMARY", "{statement}: {said}");
        assert_eq!(word("type"), "range", "{statement}: {said}");
    } else {
        assert_eq!(word("key"), "k_state", "{statement}: {said}");
    }
}

/// The same statements in SQLite's words.
async fn check_plan_of_sqlite(connection: &mut SqliteConnection, statement: &str) {
    let form = FORMS.iter().find(|(form, ..)| statement.contains(form));
    let statement = match form {
        Some((form, same, _)) => statement.replace(form, same),
        None => statement.to_owned(),
    };
    let statement = statement.replace("path LIKE ? ESCAPE '|'", "instr(path, ?) > 0");
    let statement = statement.replace(DISABLED, "state = 1 AND +account_id = ?");
    let not_packed = "account_id >= ? AND account_id <= ? AND id > ? ORDER BY account_id, id";
    let statement = statement.replace(not_packed, "account_id = ? AND id > ? ORDER BY id");
    let text = format!("EXPLAIN QUERY PLAN {statement}");
    let plan = sqlx::query(AssertSqlSafe(text)).fetch_all(connection).await;
    let plan = plan.unwrap_or_else(|error| panic!("{statement}: {error}"));
    let steps: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
    let wanted = match form {
        Some((.., range)) => format!("SEARCH stobj USING COVERING INDEX k_search {range}"),
        None if statement.contains("account_id = ? AND id > ? ORDER BY id")
            && !statement.contains("state = 1") =>
        {
            "SEARCH stobj USING INDEX k_account_id (account_id=? AND id>?)".to_owned()
        }
        None if statement.contains(BLOCKS[0]) => {
            "SEARCH search_block USING INDEX sqlite_autoindex_search_block_1 (account_id=? AND number>?)"
                .to_owned()
        }
        None if statement.contains(BLOCKS[1]) => {
            "SEARCH search_block USING INDEX sqlite_autoindex_search_block_1 (account_id=? AND number<?)"
                .to_owned()
        }
        None => "SEARCH stobj USING INDEX k_state (state=? AND id>?)".to_owned(),
    };
    assert_eq!(steps, [wanted], "{statement}");
}

#[tokio::test]
async fn a_search_is_one_range_of_its_index_whatever_the_statistics_say() {
    let mariadb = MariaDb::start().await;
    let options: MySqlConnectOptions = mariadb.url().parse().expect("it is a URL");
    let mut connection = options.connect().await.expect("MariaDB runs");
    let log =
        "SET GLOBAL log_output = 'TABLE', GLOBAL general_log = ON, GLOBAL innodb_stats_auto_recalc = OFF";
    connection.execute(log).await.expect("root may");
    let server = Server::builder()
        .database(Database::Sqlite)
        .variable(DATABASE_SETTING, &mariadb.url())
        .setting(SMALL_BLOCKS)
        .start()
        .await;
    fill(&server.tester().await).await;
    let admin = server.login("admin:admin", ADMIN_PASSWORD).await;
    let statements = timeout(PATIENCE, async {
        loop {
            search(&admin).await;
            if let Some(statements) = prepared(&mut connection).await {
                return statements;
            }
        }
    });
    let statements = statements.await.expect("every kind of search is made");
    let account_id = "SELECT account_id FROM stobj WHERE type = 2 AND path = 'c'";
    let account_id: i64 = sqlx::query_scalar(account_id)
        .fetch_one(&mut connection)
        .await
        .expect("there is one container");

    // The statistics are those of few rows first, then of many, then of none at all.
    grow(&mut connection).await;
    let none =
        "UPDATE mysql.innodb_table_stats SET n_rows = 0, clustered_index_size = 1 WHERE table_name = 'stobj'";
    for statistics in ["SELECT 1", "ANALYZE TABLE stobj", none] {
        connection.execute(statistics).await.expect("root may");
        connection.execute("FLUSH TABLES").await.expect("root may");
        for statement in &statements {
            check_plan(&mut connection, statement, account_id).await;
        }
    }

    let on_sqlite = Server::builder().database(Database::Sqlite).start().await;
    fill(&on_sqlite.tester().await).await;
    let options = SqliteConnectOptions::new().filename(on_sqlite.data().join("stobj.sqlite"));
    let mut sqlite = options.connect().await.expect("the server has made the file");
    for statement in &statements {
        check_plan_of_sqlite(&mut sqlite, statement).await;
    }
}
