//! `firewall/list`.

use common::Timestamp;
use common::functional::firewall::{Disabled, DisabledPage, ListDisabled, State};
use common::functional::mirror::{AccountRow, Node, ObjectRow};
use common::name::AccountName;

use crate::support::*;

fn switched(bytes: u64, state: State) -> ObjectRow {
    ObjectRow {
        state,
        ..object_row(bytes)
    }
}

fn account(state: State) -> Node {
    Node::Account(Some(AccountRow {
        created: Timestamp::from_seconds(1),
        timestamp: Timestamp::from_seconds(2),
        state,
    }))
}

/// As paths, without the account.
fn paths(page: &DisabledPage) -> Vec<String> {
    let path = |entry: &Disabled| match (&entry.container, &entry.object) {
        (Some(container), Some(object)) => format!("{}/{}", container.as_str(), object.as_str()),
        _ => String::new(),
    };
    page.entries.iter().map(path).collect()
}

async fn all(owner: &Owner<'_>, limit: usize) -> Vec<String> {
    let mut list = ListDisabled {
        account: Some(owner.account.clone()),
        marker: 0,
        limit: Some(limit),
    };
    let mut found = Vec::new();
    loop {
        let page = owner.server.ask(list.clone()).await.unwrap();
        assert!(page.entries.len() <= limit);
        found.extend(paths(&page));
        match page.marker {
            Some(marker) => list.marker = marker,
            None => break,
        }
    }
    found.sort_unstable();
    found
}

#[tokio::test]
async fn what_is_switched_off_is_listed_by_its_whole_name() {
    let server = Server::start().await;
    let mut owner = server.owner();
    let deep = "a/".repeat(500);
    let names = ["x", "d/e/f", "d/", "//", deep.as_str()];
    let off = names.map(|name| put_row("c", name, switched(1, State::Disable)));
    owner.apply([put_container("c"), put("c", "on", 1)]).await;
    owner.apply(off).await;
    owner.apply([account(State::Disable)]).await;
    let mut expected: Vec<String> = names.iter().map(|name| format!("c/{name}")).collect();
    expected.push(String::new());
    expected.sort_unstable();
    for limit in [1, 2, 1000] {
        assert_eq!(all(&owner, limit).await, expected, "{limit} a page");
    }

    // On again, replaced, or gone.
    let on = put_row("c", "x", switched(1, State::Enable));
    owner.apply([on, delete("c", "d/"), account(State::Enable)]).await;
    let mut expected = vec!["c/d/e/f".to_owned(), "c///".to_owned(), format!("c/{deep}")];
    expected.sort_unstable();
    assert_eq!(all(&owner, 10).await, expected);
}

#[tokio::test]
async fn a_switch_that_is_older_than_the_row_is_passed_over() {
    let server = Server::start().await;
    let mut owner = server.owner();
    let off = put_row("c", "x", switched(1, State::Disable));
    let mut batch = owner.batch([put_container("c"), off]);
    server.ask(batch.clone()).await.unwrap();
    owner.apply([put_row("c", "x", switched(1, State::Enable))]).await;
    batch.after = 0;
    server.ask(batch).await.unwrap();
    assert!(all(&owner, 10).await.is_empty());
}

#[tokio::test]
async fn what_waits_for_the_reaper_is_not_listed() {
    let server = Server::start().await;
    let mut owner = server.owner();
    let many = (0..50).map(|number| put_row("gone", &format!("a/{number}"), switched(1, State::Disable)));
    owner.apply(many).await;
    assert_eq!(all(&owner, 1000).await.len(), 50);
    owner.apply([delete_container("gone")]).await;
    assert!(all(&owner, 7).await.is_empty());
    let nobody = ListDisabled {
        account: Some(AccountName::new("AUTH_nobody_of_this_name").unwrap()),
        ..ListDisabled::default()
    };
    assert!(server.ask(nobody).await.unwrap().entries.is_empty());
}
