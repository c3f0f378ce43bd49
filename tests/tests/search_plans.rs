//! How the databases go about the statements of searches: each is one range of the index that was made for them, in its order,
//! and reads nothing else. And that this index leads no other statement astray that names an account.

use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;
use integration_tests::planner::{Planner, sqlite, sqlite_steps};
use integration_tests::{Client, Database, Server};
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Executor as _, MySqlConnection};
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

/// The rows of the large container.
const ROWS: u64 = 100_000;

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
async fn prepared(planner: &mut Planner) -> Option<BTreeSet<String>> {
    let others = [DISABLED, NOT_PACKED, BLOCKS[0], BLOCKS[1]];
    let is_one =
        |text: &String| text.contains("(id & ?) = ?") || others.iter().any(|other| text.contains(other));
    let found: BTreeSet<String> = planner.prepared().await.into_iter().filter(is_one).collect();
    (found.len() == FORMS.len() + others.len()).then_some(found)
}

/// Puts many rows into the container, as wide as rows are: reading them is dearer than reading an index.
async fn grow(connection: &mut MySqlConnection) {
    let insert = format!(
        "INSERT INTO stobj (parent_id, path, account_id, type, is_object, etag, content_type, metadata) \
         SELECT c.id, CAST(CONCAT('n', LPAD(seq, 5, '0')) AS BINARY), c.account_id, 4, 1, REPEAT('e', 32), 'image/jpeg', \
         REPEAT('m', 100) FROM seq_0_to_{}, (SELECT id, account_id FROM stobj WHERE type = 2 AND path = 'c') AS c",
        ROWS - 1
    );
    let inserted = connection.execute(AssertSqlSafe(insert)).await;
    assert_eq!(inserted.expect("rows can be inserted").rows_affected(), ROWS);
}

async fn check_plan(planner: &mut Planner, statement: &str, account_id: i64) {
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
    let step = planner.step(query.bind(256_i64), statement).await;
    assert!(!step.extra.contains("filesort"), "{statement}: {step:?}");
    if is_search {
        assert_eq!(step.key, "k_search", "{statement}: {step:?}");
        assert!(step.extra.contains("Using index"), "{statement}: {step:?}");
        // All accounts are all of the index.
        let is_all = is_of_all && step.kind == "index";
        assert!(is_all || step.kind == "range", "{statement}: {step:?}");
    } else if statement.contains(NOT_PACKED) {
        assert_eq!(step.key, "k_account_id", "{statement}: {step:?}");
        assert_eq!(step.kind, "range", "{statement}: {step:?}");
        assert!(step.extra.contains("Using index"), "{statement}: {step:?}");
    } else if BLOCKS.iter().any(|some| statement.contains(some)) {
        assert_eq!(step.key, "PRIMARY", "{statement}: {step:?}");
        assert_eq!(step.kind, "range", "{statement}: {step:?}");
    } else {
        assert_eq!(step.key, "k_state", "{statement}: {step:?}");
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
    let steps = sqlite_steps(connection, &statement).await;
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
    let mut planner = Planner::start().await;
    let server = planner.server().setting(SMALL_BLOCKS).start().await;
    fill(&server.tester().await).await;
    let admin = server.admin().await;
    let statements = timeout(PATIENCE, async {
        loop {
            search(&admin).await;
            if let Some(statements) = prepared(&mut planner).await {
                return statements;
            }
        }
    });
    let statements = statements.await.expect("every kind of search is made");
    let account_id = "SELECT account_id FROM stobj WHERE type = 2 AND path = 'c'";
    let account_id: i64 = sqlx::query_scalar(account_id)
        .fetch_one(&mut planner.connection)
        .await
        .expect("there is one container");

    // The statistics are those of few rows first, then of many, then of none at all.
    grow(&mut planner.connection).await;
    let none =
        "UPDATE mysql.innodb_table_stats SET n_rows = 0, clustered_index_size = 1 WHERE table_name = 'stobj'";
    for statistics in ["SELECT 1", "ANALYZE TABLE stobj", none] {
        planner.connection.execute(statistics).await.expect("root may");
        planner
            .connection
            .execute("FLUSH TABLES")
            .await
            .expect("root may");
        for statement in &statements {
            check_plan(&mut planner, statement, account_id).await;
        }
    }

    let on_sqlite = Server::builder().database(Database::Sqlite).start().await;
    fill(&on_sqlite.tester().await).await;
    let mut sqlite = sqlite(&on_sqlite).await;
    for statement in &statements {
        check_plan_of_sqlite(&mut sqlite, statement).await;
    }
}
