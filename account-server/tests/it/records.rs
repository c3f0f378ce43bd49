//! `record/commit`, `record/complete`, `record/list`, and what is removed in time.

use std::time::Duration;

use account_server::Settings;
use common::config::Period;
use common::functional::record::{Change, Commit, Complete, List, Page, Record, Results};
use common::name::AccountName;
use common::{Clock, Timestamp};

use crate::support::*;

/// Whether a record is one of those asked for.
type Test = dyn Fn(&Record) -> bool;

/// In the future, where retention does not reach.
const NOON: u64 = 4_000_000_000;

fn record(second: u64, number: u64) -> Record {
    Record {
        time: Timestamp::from_units(second * 100_000 + number),
        id: number + 1,
        account: Some(AccountName::new("AUTH_a").unwrap()),
        user: Some("a:joe".into()),
        action: "object/put".into(),
        path: format!("AUTH_a/c/{number}"),
        destination: (number % 2 == 1).then(|| format!("AUTH_a/d/{number}")),
        result: 201,
        received: 5,
        agent: Some("curl/8".into()),
        address: "192.0.2.1".parse().ok(),
        transaction_id: "tx1".into(),
        ..Record::default()
    }
}

/// The same as its owner tells it.
fn committed(record: &Record) -> Record {
    let change = Change {
        account_id: 7,
        seq: record.id,
    };
    Record {
        change: Some(change),
        duration: None,
        ..record.clone()
    }
}

/// The same as the proxy tells it.
fn completed(record: &Record) -> Record {
    Record {
        result: 499,
        duration: Some(1000),
        ..record.clone()
    }
}

fn list(json: &str) -> List {
    serde_json::from_str(json).unwrap()
}

async fn all(server: &Server, mut list: List) -> Vec<Record> {
    let mut records = Vec::new();
    loop {
        let Page {
            records: page, next, ..
        } = server.ask(list.clone()).await.unwrap();
        assert!(page.len() <= list.limit.unwrap_or(100));
        records.extend(page);
        if next.is_none() {
            return records;
        }
        list.marker = next;
    }
}

#[tokio::test]
async fn a_record_is_one_whoever_tells_it_first_and_however_often() {
    let server = Server::start().await;
    let records: Vec<_> = (0..4).map(|number| record(NOON, number)).collect();
    let commit = |of: &[Record]| Commit {
        records: of.iter().map(committed).collect(),
    };
    let complete = |of: &[Record]| Complete {
        records: of.iter().map(completed).collect(),
    };
    server.ask(commit(&records[..2])).await.unwrap();
    server.ask(complete(&records[1..3])).await.unwrap();
    server.ask(commit(&records[2..])).await.unwrap();
    let once = all(&server, list("{}")).await;
    let expected = [
        committed(&records[3]),
        Record {
            change: committed(&records[2]).change,
            ..completed(&records[2])
        },
        Record {
            change: committed(&records[1]).change,
            ..completed(&records[1])
        },
        committed(&records[0]),
    ];
    assert_eq!(once, expected);

    // The journal is read again, and a proxy did not hear that it had been heard.
    let mut other = complete(&records[1..3]);
    other.records[0].result = 201;
    server.ask(commit(&records)).await.unwrap();
    server.ask(other).await.unwrap();
    assert_eq!(all(&server, list("{}")).await, expected);
}

#[tokio::test]
async fn a_page_holds_what_is_asked_for_and_says_where_to_go_on() {
    let server = Server::start().await;
    let records: Vec<Record> = (0..2500)
        .map(|number| {
            let mut record = record(NOON, number);
            if number % 5 == 0 {
                record.user = None;
                record.result = 401;
            }
            if number % 1000 == 7 {
                record.action = "object/delete".into();
                record.path = "AUTH_a/d/gone".into();
            }
            record
        })
        .collect();
    for batch in records.chunks(1000) {
        let records = batch.to_vec();
        server.ask(Complete { records }).await.unwrap();
    }
    let newest_first: Vec<Record> = records.into_iter().rev().collect();
    let by = |is_one: &dyn Fn(&Record) -> bool| -> Vec<Record> {
        newest_first
            .iter()
            .filter(|record| is_one(record))
            .cloned()
            .collect()
    };
    let cases: [(&str, &Test); 10] = [
        ("{}", &|_| true),
        (r#"{"limit": 999}"#, &|_| true),
        (r#"{"account": "AUTH_a", "limit": 1000}"#, &|_| true),
        (r#"{"account": "AUTH_b"}"#, &|_| false),
        (r#"{"user": ""}"#, &|record| record.user.is_none()),
        (r#"{"user": "a:joe", "action": "object/delete"}"#, &|record| {
            record.action == "object/delete"
        }),
        (r#"{"results": "4xx"}"#, &|record| record.result == 401),
        (r#"{"path": "AUTH_a/d/"}"#, &|record| {
            record.path == "AUTH_a/d/gone"
        }),
        (r#"{"path": "AUTH_a/d/gone", "limit": 1}"#, &|record| {
            record.path == "AUTH_a/d/gone"
        }),
        (r#"{"path": "AUTH_a/c/17", "account": "AUTH_a"}"#, &|record| {
            record.path == "AUTH_a/c/17"
        }),
    ];
    for (asked, is_one) in cases {
        assert!(all(&server, list(asked)).await == by(is_one), "{asked}");
    }
    let later = List {
        since: Some(newest_first[9].time),
        until: Some(newest_first[2].time),
        ..List::default()
    };
    assert!(all(&server, later).await == newest_first[2..=9]);
    let too_many = List {
        limit: Some(1001),
        results: Results::parse("403"),
        ..List::default()
    };
    assert_eq!(server.ask(too_many).await.unwrap_err().status(), 412);
}

#[tokio::test]
async fn what_is_too_old_is_removed_in_steps() {
    let settings = Settings {
        record_retention_age: Period::seconds(3600),
        ..Settings::default()
    };
    let server = Server::with(settings.clone()).await;
    let now = Clock::now().units();
    let made = |number: u64, age: u64| Record {
        time: Timestamp::from_units(now - age * 100_000),
        ..record(NOON, number)
    };
    // More than a step removes, a thousand of them of the same time.
    for batch in 0..3 {
        let records = (0..1000)
            .map(|number| made(batch * 1000 + number, 7200))
            .collect();
        server.ask(Complete { records }).await.unwrap();
    }
    let young: Vec<_> = (0..3).map(|age| made(7, age)).collect();
    let complete = Complete {
        records: young.clone(),
    };
    server.ask(complete).await.unwrap();
    let server = server.restart_with(settings).await;
    until_kept(&server, |records| records.len() == young.len()).await;
}

#[tokio::test]
async fn what_is_too_much_is_removed() {
    let server = Server::start().await;
    let now = Clock::now().seconds();
    for batch in 0..3 {
        let records = (0..1000)
            .map(|number| record(now - 10, batch * 1000 + number))
            .collect();
        server.ask(Complete { records }).await.unwrap();
    }
    let server = server
        .restart_with(Settings {
            record_retention_count: 17,
            ..Settings::default()
        })
        .await;
    until_kept(&server, |records| records.len() == 17 && records[0].id == 3000).await;
}

/// Waits until the records of the last day are so.
async fn until_kept(server: &Server, is_so: impl Fn(&[Record]) -> bool) {
    let list = List {
        since: Some(Timestamp::from_seconds(Clock::now().seconds() - 86_400)),
        limit: Some(1000),
        ..List::default()
    };
    let waiting = async {
        loop {
            let records = all(server, list.clone()).await;
            if is_so(&records) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting)
        .await
        .expect("the record is as it should be");
}
