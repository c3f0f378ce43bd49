//! How the databases go about the statements of the operation record: each page is one range of one index, in its order,
//! whatever is asked for. Otherwise a record of millions would be sorted for every page.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use integration_tests::cluster::until;
use integration_tests::planner::{Planner, sqlite, sqlite_steps};
use integration_tests::{Client, Database, Server};
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Executor as _};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

/// What is asked for, which statement that comes to, and its index in MariaDB and in SQLite.
const PAGES: [(&str, &str, &str); 7] = [
    ("{}", "WHERE time", "PRIMARY"),
    (
        r#"{"account": "AUTH_test"}"#,
        "WHERE account =",
        "k_record_account",
    ),
    (r#"{"user": "test:tester"}"#, "WHERE user =", "k_record_user"),
    (r#"{"user": ""}"#, "WHERE user IS NULL", "k_record_user"),
    (r#"{"path": "AUTH_test/c"}"#, "WHERE path_key =", "k_record_path"),
    (r#"{"action": "object/put"}"#, "WHERE action =", "k_record_action"),
    (r#"{"results": "403"}"#, "WHERE result =", "k_record_result"),
];

/// Many records, so that planners have something to weigh: ten to the fifth.
const GROW: &str = "INSERT INTO record (time, id, account, user, action, path, path_key, result, received, sent, \
                    transaction_id) \
                    WITH RECURSIVE digit (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM digit WHERE n < 9) \
                    SELECT 1000000 + a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n, 1, 'AUTH_test', \
                    'test:tester', 'object/put', 'AUTH_test/c', 7, 201, 0, 0, 'tx' \
                    FROM digit AS a, digit AS b, digit AS c, digit AS d, digit AS e";

/// Asks for every kind of page.
async fn ask(admin: &Client) {
    for (json, ..) in PAGES {
        let asked = admin.request_at(Method::POST, "/f/record/list").body(json);
        asked.await.expect(200);
    }
}

/// The statements that MariaDB was asked to prepare, by their beginnings.
async fn prepared(planner: &mut Planner) -> BTreeMap<&'static str, String> {
    let is_page = |text: &&String| text.contains("FROM record WHERE") && text.ends_with("LIMIT ?");
    let mut pages = BTreeMap::new();
    for text in planner.prepared().await.iter().filter(is_page) {
        let form = PAGES.iter().find(|(_, form, _)| text.contains(form));
        let (_, form, _) = form.unwrap_or_else(|| panic!("nobody has thought about the plan of: {text}"));
        pages.insert(*form, text.clone());
    }
    pages
}

async fn check_plan(planner: &mut Planner, statement: &str, index: &str) {
    let mut query = sqlx::query(AssertSqlSafe(format!("EXPLAIN {statement}")));
    if statement.contains("path_key =") || statement.contains("result =") {
        query = query.bind(7_i64);
    } else if ["account", "user", "action"]
        .iter()
        .any(|column| statement.contains(&format!("WHERE {column} = ?")))
    {
        query = query.bind(&b"test:tester"[..]);
    }
    let query = query
        .bind(0_i64)
        .bind(i64::MAX)
        .bind(i64::MAX)
        .bind(i64::MAX)
        .bind(100_i64);
    let step = planner.step(query, statement).await;
    assert!(
        ["range", "ref"].contains(&step.kind.as_str()),
        "{statement}: {step:?}"
    );
    assert_eq!(step.key, index, "{statement}: {step:?}");
    assert!(!step.extra.contains("filesort"), "{statement}: {step:?}");
}

async fn check_plan_of_sqlite(connection: &mut SqliteConnection, statement: &str, index: &str) {
    let steps = sqlite_steps(connection, statement).await;
    let wanted = match index {
        "PRIMARY" => "SEARCH record USING PRIMARY KEY (time>? AND time<?)".to_owned(),
        index => format!("SEARCH record USING INDEX {index} ("),
    };
    assert_eq!(steps.len(), 1, "{statement}: {steps:?}");
    assert!(
        steps[0].starts_with(&wanted) && steps[0].ends_with("time>? AND time<?)"),
        "{statement}: {steps:?}"
    );
}

#[tokio::test]
async fn a_page_of_records_is_one_range_of_one_index() {
    let mut planner = Planner::start().await;
    let server = planner.server().start().await;
    let admin = server.admin().await;
    let statements = timeout(PATIENCE, async {
        loop {
            ask(&admin).await;
            let statements = prepared(&mut planner).await;
            if statements.len() == PAGES.len() {
                return statements;
            }
        }
    });
    let statements = statements.await.expect("every kind of page is read");

    // The statistics are those of few rows first, then of many.
    planner
        .connection
        .execute(GROW)
        .await
        .expect("rows can be inserted");
    for statistics in ["SELECT 1", "ANALYZE TABLE record"] {
        planner.connection.execute(statistics).await.expect("root may");
        for (_, form, index) in PAGES {
            check_plan(&mut planner, &statements[form], index).await;
        }
    }

    let on_sqlite = Server::builder().database(Database::Sqlite).start().await;
    on_sqlite.tester().await.put("c", "").await.expect(201);
    let mut sqlite = sqlite(&on_sqlite).await;
    for (_, form, index) in PAGES {
        check_plan_of_sqlite(&mut sqlite, &statements[form], index).await;
    }
    until("what was asked for is recorded", || async {
        let all = admin.request_at(Method::POST, "/f/record/list").body("{}");
        !all.await.expect(200).json()["records"]
            .as_array()
            .expect("a list")
            .is_empty()
    })
    .await;
}
