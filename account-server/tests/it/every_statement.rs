//! Every statement that the crate can send is sent by this test, to the database that the environment asks for. One
//! that is added without a place here fails it, by its name.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use common::Secret;
use common::functional::firewall::{ListDisabled, State};
use common::functional::listing::{Query, Rollup};
use common::functional::mirror::{Fault, Inspect, Inspected, Mend, Page, Rows, Wrong};
use common::functional::policy::{Fetch, Restore};
use common::functional::record::{self, Commit, Complete, Record as Operation};
use common::functional::search::{Find, Sort};
use common::functional::user::{List, Password, Put, Remove, Revoke, RevokedToken, Show};
use common::name::ContainerName;
use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::support::*;

/// Where the crate tells the name of each statement.
const TARGET: &str = "account_server::statement";

/// Collects the names of statements.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<BTreeSet<String>>>);

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == TARGET
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Names(&self.0));
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}
    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}
    fn enter(&self, _span: &Id) {}
    fn exit(&self, _span: &Id) {}
}

struct Names<'a>(&'a Mutex<BTreeSet<String>>);

impl Visit for Names<'_> {
    fn record_str(&mut self, _field: &Field, value: &str) {
        self.0.lock().insert(value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        panic!("{field} is no name: {value:?}");
    }
}

/// The names of all statements in the sources, each of which must have one of its own.
fn declared() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                gather(&text, &path, &mut names);
            }
        }
    }
    names
}

fn gather(text: &str, path: &Path, names: &mut BTreeSet<String>) {
    let is_sql = path.ends_with("src/sql.rs");
    for direct in ["sqlx::query", "sqlx::raw_sql"] {
        assert!(
            is_sql || !text.contains(direct),
            "{}: only sql.rs sends statements",
            path.display()
        );
    }
    // `Text` ends `ManyText` too.
    for beginning in ["Text::both(", "Text {"] {
        for (place, _) in text.match_indices(beginning) {
            let line = text[..place].rsplit('\n').next().unwrap_or_default();
            if line.contains("struct ") || line.contains("impl ") || line.trim_start().starts_with("//") {
                continue;
            }
            let rest = text[place + beginning.len()..].trim_start();
            let rest = rest.strip_prefix("name: ").unwrap_or(rest);
            let name = rest.strip_prefix('"').and_then(|rest| rest.split_once('"'));
            let Some((name, _)) = name else {
                panic!(
                    "{}: a statement without a name: {line}{beginning}",
                    path.display()
                );
            };
            assert!(
                names.insert(name.to_owned()),
                "{}: {name} is another statement's name",
                path.display()
            );
        }
    }
}

fn rollup(delimiter: &str) -> Query {
    Query {
        rollup: Rollup::Subdirs {
            delimiter: delimiter.to_owned(),
        },
        ..Query::default()
    }
}

async fn change_and_list(server: &Server) {
    let mut owner = server.owner();
    owner.position().await;
    owner
        .apply((0..20).map(|number| put("c", &format!("{number}/a/{number}"), 1)))
        .await;
    owner.apply([put_container("c"), delete("c", "3/a/3")]).await;
    let mut expired = object_row(1);
    expired.delete_at = Some(now());
    owner.apply([put_row("c", "x/y", expired)]).await;
    let reverse = Query {
        reverse: true,
        ..Query::default()
    };
    for query in [Query::default(), reverse, rollup("/"), rollup("a")] {
        owner.list("c", &query).await;
        owner.containers(&query).await;
    }
    owner.apply([make("c", "e/"), moved("c", "5/", "c", "f/")]).await;
    owner.apply([unmake("c", "e/"), detached("c", "7/")]).await;
    owner.apply([put("gone", "a/b", 1), put("gone", "c", 1)]).await;
    owner.apply([delete_container("gone")]).await;
    owner.until_reaped().await;
    for (sort, account) in [
        (Sort::Name, Some(owner.account.clone())),
        (Sort::NameDescending, Some(owner.account.clone())),
        (Sort::Name, None),
    ] {
        let mut find = Find {
            account,
            sort,
            limit: Some(1),
            ..Find::default()
        };
        find.cursor = server.ask(find.clone()).await.unwrap().cursor;
        server.ask(find).await.unwrap();
    }
    let mut switched_off = object_row(1);
    switched_off.state = State::Disable;
    owner.apply([put_row("c", "off", switched_off)]).await;
    let all = ListDisabled::default();
    server.ask(all.clone()).await.unwrap();
    let account = Some(owner.account.clone());
    server.ask(ListDisabled { account, ..all }).await.unwrap();
    inspect_and_mend(&owner).await;
    // Another filling of the database: what was there is forgotten.
    owner.incarnation += 1;
    owner.seq = 0;
    owner.apply([put("c", "a", 1)]).await;
    owner.until_reaped().await;
}

/// Names are packed for searches, and those that are gone taken out.
async fn pack(server: &Server) {
    let mut owner = server.owner();
    let name = |number: u64| format!("packed-{number:02}");
    owner
        .apply((0..40).map(|number| put("c", &name(number), 1)))
        .await;
    let mut look = server.look().await;
    look.until("SELECT COUNT(*) FROM search_block", |blocks| blocks >= 10)
        .await;
    let account = Some(owner.account.clone());
    let find = Find {
        account,
        name: Some("ed-33".to_owned()),
        ..Find::default()
    };
    assert_eq!(server.ask(find).await.unwrap().results.len(), 1);
    let is_gone = |number: &u64| !number.is_multiple_of(4);
    owner
        .apply((0..40).filter(is_gone).map(|number| delete("c", &name(number))))
        .await;
    look.until(
        "SELECT CAST(SUM(entries) AS SIGNED) FROM search_block",
        |entries| entries < 30,
    )
    .await;
    owner.apply([delete_container("c")]).await;
    owner.until_reaped().await;
}

/// What is no tree is found and mended.
async fn inspect_and_mend(owner: &Owner<'_>) {
    let server = owner.server;
    for text in [
        "UPDATE stobj SET sub_objects = 7777 WHERE type = 2",
        "UPDATE stobj SET account_id = account_id + 1 WHERE path = X'6f6666'",
    ] {
        server.look().await.execute(text).await;
    }
    let rows = Rows {
        at_least: owner.at_least(),
        container: ContainerName::new("c").unwrap(),
        query: Query::default(),
    };
    let Page::Entries(rows) = server.ask(rows).await.unwrap() else {
        panic!("the mirror is behind");
    };
    let unsound: Vec<_> = rows.iter().filter(|row| !row.is_sound).collect();
    assert_eq!((unsound.len(), unsound[0].name.as_str()), (1, "off"));
    let faults = inspect(owner).await;
    let is_total = |fault: &&Fault| matches!(fault.wrong, Wrong::Totals { .. });
    let (count, detach): (Vec<_>, Vec<_>) = faults.iter().partition(is_total);
    let ids = |faults: Vec<&Fault>| faults.iter().map(|fault| fault.id).collect();
    let mend = Mend {
        account_id: owner.account_id,
        incarnation: owner.incarnation,
        detach: ids(detach),
        count: ids(count),
    };
    assert_eq!(mend.detach.len(), 1, "{faults:?}");
    assert_eq!(server.ask(mend).await.unwrap(), owner.position().await);
    assert_eq!(inspect(owner).await, []);
}

/// All that is wrong.
async fn inspect(owner: &Owner<'_>) -> Vec<Fault> {
    let (mut faults, mut after) = (Vec::new(), None);
    loop {
        let inspect = Inspect {
            at_least: owner.at_least(),
            after,
        };
        let Inspected::Rows(page) = owner.server.ask(inspect).await.unwrap() else {
            panic!("the mirror is behind");
        };
        faults.extend(page.faults);
        after = page.next;
        if after.is_none() {
            return faults;
        }
    }
}

async fn change_users(server: &Server) {
    let user = Put {
        account: "test".to_owned(),
        name: "tester".to_owned(),
        password: Secret::new("testing"),
        groups: Vec::new(),
        email: Some("t@example.org".to_owned()),
        only_if_absent: false,
    };
    server.ask(user).await.unwrap();
    let password = Password {
        account: "test".to_owned(),
        name: "tester".to_owned(),
        password: Secret::new("another"),
        old_password: None,
    };
    server.ask(password).await.unwrap();
    let (account, name) = ("test".to_owned(), "tester".to_owned());
    let by_email = Show {
        email: Some("a@example.org".to_owned()),
        ..Show::default()
    };
    server.ask(by_email).await.unwrap_err();
    for only in [None, Some("test".to_owned())] {
        let list = List {
            account: only,
            ..List::default()
        };
        assert_eq!(server.ask(list).await.unwrap().users.len(), 1);
    }
    let token = RevokedToken {
        token_id: u64::MAX,
        expires: now(),
    };
    let revoke = Revoke {
        account: account.clone(),
        name: name.clone(),
        token: Some(token),
    };
    server.ask(revoke).await.unwrap();
    let fetched = server.ask(Fetch { known_version: 0 }).await.unwrap();
    server.ask(Remove { account, name }).await.unwrap();
    server.look().await.execute("DELETE FROM policy").await;
    let policy = fetched.policy.unwrap();
    assert!(server.ask(Restore { policy }).await.unwrap().restored);
}

async fn keep_records(server: &Server) {
    let records = vec![Operation {
        id: 1,
        action: "object/put".to_owned(),
        ..Operation::default()
    }];
    let commit = Commit {
        records: records.clone(),
    };
    server.ask(commit).await.unwrap();
    server.ask(Complete { records }).await.unwrap();
    for asked in [
        "{}",
        r#"{"account": "AUTH_a"}"#,
        r#"{"user": "a:b"}"#,
        r#"{"user": ""}"#,
        r#"{"path": "AUTH_a/c/o"}"#,
        r#"{"action": "object/put"}"#,
        r#"{"results": "403"}"#,
    ] {
        let list: record::List = serde_json::from_str(asked).unwrap();
        server.ask(list).await.unwrap();
    }
}

#[tokio::test]
async fn every_statement_is_sent_by_a_test() {
    let recorder = Recorder::default();
    // Where there is only one subscriber a statement is taken for unheard for ever if another test's thread, which has
    // none, sends it first.
    let _another = tracing::Dispatch::new(recorder.clone());
    let _recording = tracing::subscriber::set_default(recorder.clone());
    let settings = account_server::Settings {
        record_retention_count: 1,
        search_block_names: 4,
        ..account_server::Settings::default()
    };
    let server = Server::with(settings).await;
    change_and_list(&server).await;
    pack(&server).await;
    change_users(&server).await;
    keep_records(&server).await;
    let server = server.restart_with_torn_schema().await;
    server.owner().apply([put_container("c")]).await;
    server.server.close().await;

    let sent = recorder.0.lock().clone();
    let mut declared = declared();
    if !server.is_mysql() {
        declared.retain(|name| !name.starts_with("mysql."));
    }
    let missing: Vec<_> = declared.difference(&sent).collect();
    assert!(missing.is_empty(), "no test sends {missing:?}");
    let unknown: Vec<_> = sent.difference(&declared).collect();
    assert!(unknown.is_empty(), "these are in no source: {unknown:?}");
}
