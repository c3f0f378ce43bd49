//! How many statements a page and a batch cost.

use common::functional::listing::{Query, Rollup};

use crate::support::*;

/// Beginning and end of the transaction, the epoch, the container.
const FRAME: u64 = 4;

async fn cost(owner: &Owner<'_>, query: &Query) -> (usize, u64) {
    let before = owner.server.server.statements();
    let entries = owner.list("c", query).await.len();
    (entries, owner.server.server.statements() - before - FRAME)
}

/// `10 x 10 x 10` directories with 10 objects each.
async fn ten_thousand(owner: &mut Owner<'_>) {
    for top in 0..10 {
        let names = (0..1000).map(|number| {
            let (a, b, c) = (number / 100, number / 10 % 10, number % 10);
            put("c", &format!("{top}/{a}/{b}/{c}"), 1)
        });
        owner.apply(names).await;
    }
}

#[tokio::test]
async fn a_page_costs_few_statements() {
    let server = Server::start().await;
    let mut owner = server.owner();
    ten_thousand(&mut owner).await;

    let (entries, statements) = cost(&owner, &Query::default()).await;
    assert_eq!(entries, 10_000);
    assert!(statements <= 28, "{statements}");

    let reverse = Query {
        reverse: true,
        ..Query::default()
    };
    let (entries, statements) = cost(&owner, &reverse).await;
    assert_eq!(entries, 10_000);
    assert!(statements <= 28, "{statements}");

    // A small page in the middle: the way down, and no more than it needs beside it.
    let middle = Query {
        limit: 15,
        marker: "5/5/5/5".into(),
        ..Query::default()
    };
    let (entries, statements) = cost(&owner, &middle).await;
    assert_eq!(entries, 15);
    assert!(statements <= 8, "{statements}");

    // A page of directories: one statement a level of the prefix and one for the page.
    let subdirs = |prefix: &str| Query {
        prefix: prefix.into(),
        rollup: Rollup::Subdirs {
            delimiter: "/".into(),
        },
        ..Query::default()
    };
    assert_eq!(cost(&owner, &subdirs("")).await, (10, 1));
    assert_eq!(cost(&owner, &subdirs("3/")).await, (10, 2));
    assert_eq!(cost(&owner, &subdirs("3/7/")).await, (10, 3));
    assert_eq!(cost(&owner, &subdirs("3/7/2/")).await, (10, 4));

    // Groups of another delimiter: each costs its way down, whatever its size.
    let groups = Query {
        rollup: Rollup::Subdirs {
            delimiter: "/5".into(),
        },
        ..Query::default()
    };
    let (entries, statements) = cost(&owner, &groups).await;
    assert!(entries > 100, "{entries}");
    assert!(statements <= entries as u64 * 5, "{statements} for {entries}");
}

#[tokio::test]
async fn a_directory_that_may_have_run_out_costs_a_look_only_when_something_has() {
    let server = Server::start().await;
    let mut owner = server.owner();
    let later = common::Timestamp::from_units(now().units() + 1);
    let object = |name: String, delete_at| {
        let mut row = object_row(1);
        row.delete_at = delete_at;
        put_row("c", &name, row)
    };
    owner
        .apply((0..200).map(|number| object(format!("{number:03}/x/y"), Some(later))))
        .await;
    let query = Query {
        rollup: Rollup::Subdirs {
            delimiter: "/".into(),
        },
        ..Query::default()
    };
    assert_eq!(cost(&owner, &query).await, (200, 2));
    owner.apply([object("000/x/y".into(), Some(now()))]).await;
    let (entries, statements) = cost(&owner, &query).await;
    assert_eq!(entries, 199);
    assert!(statements <= 2 + 200 * 2, "{statements}");
    owner.apply([object("000/z".into(), None)]).await;
    assert_eq!(cost(&owner, &query).await.0, 200);
}

#[tokio::test]
async fn many_that_have_run_out_cost_few_statements() {
    let server = Server::start().await;
    let mut owner = server.owner();
    for round in 0..5 {
        let names = (0..1000).map(|number| {
            let mut row = object_row(1);
            row.delete_at = Some(now());
            put_row("c", &format!("a/{round}{number}"), row)
        });
        owner.apply(names).await;
    }
    owner.apply([put("c", "b", 1)]).await;
    let query = Query {
        limit: 1,
        ..Query::default()
    };
    let (entries, statements) = cost(&owner, &query).await;
    assert_eq!(entries, 1);
    assert!(statements <= 12, "{statements}");
}

#[tokio::test]
async fn a_batch_costs_few_statements() {
    let server = Server::start().await;
    let mut owner = server.owner();
    let names = |from: usize| {
        (from..from + 256)
            .map(|number| put("c", &format!("{}/{}/{number}", number % 16, number % 8), 1))
            .collect::<Vec<_>>()
    };
    owner.apply(names(0)).await;
    let before = server.server.statements();
    owner.apply(names(256)).await;
    let statements = server.server.statements() - before;
    // Begin, lock, read, upsert, totals, epoch, commit: the directories are known.
    assert!(statements <= 7, "{statements}");
}
