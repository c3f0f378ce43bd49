//! Every functional request by its own name, as programs send it: `POST /f/{system}/{action}`; and the filters that a request
//! passes, with the tests of this matrix that show them.

use common::functional::Action;
use http::Method;
use integration_tests::cluster::until;
use integration_tests::{Client, Server};
use middleware::registry::FILTERS;

use crate::target::Target;

/// Who is let in by the door of programs.
#[derive(Clone, Copy, Debug)]
enum Door {
    /// Nobody: it has a resource URL, or is what servers ask each other.
    None,
    /// Administrators of the store; these arguments would do harm.
    Administrators(&'static str),
    /// Those who have the rights that it takes; these arguments touch what is the target's.
    Users(&'static str),
}

use Door::{Administrators, None as Nobody, Users};

/// All actions in the order of their table.
const ACTIONS: &[(&str, Door)] = &[
    ("info/get", Nobody),
    ("account/head", Nobody),
    ("account/list", Nobody),
    ("account/put", Nobody),
    ("account/post", Nobody),
    ("account/delete", Nobody),
    ("container/head", Nobody),
    ("container/list", Nobody),
    ("container/put", Nobody),
    ("container/post", Nobody),
    ("container/delete", Nobody),
    ("object/head", Nobody),
    ("object/get", Nobody),
    ("object/put", Nobody),
    ("object/post", Nobody),
    ("object/delete", Nobody),
    ("object/copy", Nobody),
    (
        "fs/make_directory",
        Users(r#"{"path": {"account": "AUTH_test", "container": "c", "object": "d/"}}"#),
    ),
    (
        "fs/move",
        Users(
            r#"{"source": {"account": "AUTH_test", "container": "c", "object": "o"},
                "destination": {"account": "AUTH_test", "container": "c", "object": "elsewhere"}}"#,
        ),
    ),
    (
        "fs/copy_directory",
        Users(
            r#"{"source": {"account": "AUTH_test", "container": "c", "object": "d/"},
                "destination": {"account": "AUTH_test", "container": "c", "object": "e/"}}"#,
        ),
    ),
    (
        "fs/remove_directory",
        Users(r#"{"path": {"account": "AUTH_test", "container": "c", "object": "d/"}}"#),
    ),
    ("fs/tree", Users(r#"{"account": "AUTH_test", "container": "c"}"#)),
    ("search/find", Users(r#"{"account": "AUTH_test", "name": "o"}"#)),
    (
        "job/show",
        Users(r#"{"account": "AUTH_test", "id": "0000000000000001"}"#),
    ),
    ("job/list", Users(r#"{"account": "AUTH_test"}"#)),
    (
        "job/cancel",
        Users(r#"{"account": "AUTH_test", "id": "0000000000000001"}"#),
    ),
    ("mirror/open", Nobody),
    ("mirror/apply", Nobody),
    ("mirror/list_account", Nobody),
    ("mirror/list_container", Nobody),
    ("mirror/totals", Nobody),
    ("mirror/tree", Nobody),
    ("mirror/rows", Nobody),
    ("mirror/inspect", Nobody),
    ("mirror/mend", Nobody),
    (
        "user/put",
        Administrators(
            r#"{"account": "test", "name": "tester", "password": "forged", "groups": [".reseller_admin"]}"#,
        ),
    ),
    (
        "user/password",
        Administrators(r#"{"account": "test", "name": "tester", "password": "forged"}"#),
    ),
    (
        "user/enable",
        Administrators(r#"{"account": "test", "name": "tester"}"#),
    ),
    (
        "user/disable",
        Administrators(r#"{"account": "test", "name": "tester"}"#),
    ),
    (
        "user/revoke",
        Administrators(r#"{"account": "test", "name": "tester"}"#),
    ),
    (
        "user/show",
        Administrators(r#"{"account": "test", "name": "tester"}"#),
    ),
    ("user/list", Administrators("{}")),
    (
        "user/delete",
        Administrators(r#"{"account": "test", "name": "tester", "resources": "remove"}"#),
    ),
    ("user/remove", Nobody),
    ("user/pend", Nobody),
    ("user/admit", Nobody),
    ("user/abandon", Nobody),
    (
        "firewall/state",
        Administrators(r#"{"account": "AUTH_test", "container": "c", "object": "o", "state": "disable"}"#),
    ),
    ("firewall/list", Administrators("{}")),
    ("record/commit", Nobody),
    ("record/complete", Nobody),
    ("record/list", Administrators("{}")),
    ("firewall/rules", Administrators("{}")),
    (
        "quota/set",
        Administrators(r#"{"account": "AUTH_test", "bytes": null}"#),
    ),
    ("quota/show", Administrators(r#"{"account": "AUTH_test"}"#)),
    ("quota/list", Administrators("{}")),
    ("policy/fetch", Nobody),
    ("policy/restore", Nobody),
    (
        "check/run",
        Administrators(r#"{"account": "AUTH_test", "repair": true}"#),
    ),
    ("check/rebuild", Administrators(r#"{"account": "AUTH_test"}"#)),
    (
        "check/adopt",
        Administrators(r#"{"account": "AUTH_test", "container": "c"}"#),
    ),
    ("check/accounts", Administrators("{}")),
];

/// All filters in the order of their table, and where in this matrix each one's part is seen.
const SHOWN_BY: &[(&str, &str)] = &[
    ("catch_errors", "no way answers 500"),
    ("gatekeeper", "nobody_with_headers_of_the_cluster"),
    ("healthcheck", "no way to an object"),
    ("proxy-logging", "no way to an object"),
    ("info", "no way to an object"),
    ("cors", "no way to an object"),
    ("listing_formats", "GET of the container and of the account"),
    ("auth", "a_token_that_…"),
    ("copy", "COPY and X-Copy-From in every row"),
    (
        "users",
        "programs_of_those_without_rights: user/delete is taken apart before the guards",
    ),
    ("record", "what_was_refused_is_recorded"),
    ("authorise", "somebody_…, nobody_…"),
    ("firewall", "denied_by_a_rule, …_is_switched_off"),
    ("quota", "the_quota_is_used_up"),
];

/// Whether two names are the same, while this is compiled.
const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

const _: () = {
    assert!(
        ACTIONS.len() == Action::NAMES.len(),
        "an action is missing in ACTIONS"
    );
    let mut at = 0;
    while at < ACTIONS.len() {
        assert!(
            is_same(ACTIONS[at].0, Action::NAMES[at]),
            "ACTIONS is not in the order of the actions"
        );
        at += 1;
    }
    assert!(SHOWN_BY.len() == FILTERS.len(), "a filter is missing in SHOWN_BY");
    let mut at = 0;
    while at < SHOWN_BY.len() {
        assert!(
            is_same(SHOWN_BY[at].0, FILTERS[at].name),
            "SHOWN_BY is not in the order of the filters"
        );
        at += 1;
    }
};

/// Sends every action with arguments that would do harm, and `refused` is what those answer that have a door. Who has the
/// rights of the account's owner does not try what these allow.
async fn try_all(target: &Target, client: &Client, refused: u16, is_owner: bool) {
    let before = target.seen();
    for (name, door) in ACTIONS {
        if is_owner && matches!(door, Users(_)) {
            continue;
        }
        let (arguments, expected) = match door {
            Nobody => (
                r#"{"path": {"account": "AUTH_test", "container": "c", "object": "o"}}"#,
                404,
            ),
            Administrators(arguments) | Users(arguments) => (*arguments, refused),
        };
        let request = client.request_at(Method::POST, &format!("/f/{name}"));
        let response = request.body(arguments).await;
        assert!(
            response.status() == expected || response.status() == refused,
            "{name}: {}, not {expected}",
            response.status()
        );
        target.expect_untouched(&before, name);
    }
    // Nothing came of any: the owner logs in as before and may do what was right before.
    target
        .server
        .login("test:tester", "testing")
        .await
        .head("c/o")
        .await
        .expect(200);
}

#[tokio::test]
async fn programs_of_those_without_rights() {
    let target = Target::new(Server::start().await).await;
    try_all(&target, &target.owner.anonymous(), 401, false).await;
    for (user, key, is_owner) in [
        ("test:tester3", "testing3", false),
        ("test:tester2", "testing2", true),
        ("test2:tester2", "testing2", false),
    ] {
        let client = target.server.login(user, key).await;
        try_all(&target, &client, 403, is_owner).await;
    }
}

#[tokio::test]
async fn programs_with_a_token_that_was_revoked() {
    let target = Target::new(Server::start().await).await;
    let client = target.server.login("test:tester2", "testing2").await;
    client.request_at(Method::DELETE, "/auth/v1.0").await.expect(204);
    until("the token is void", || async {
        client.head("").await.status() == 401
    })
    .await;
    try_all(&target, &client, 401, false).await;
}

/// Also who may do everything finds no way to what is none of a program's.
#[tokio::test]
async fn administrators_find_only_the_doors_that_there_are() {
    let target = Target::new(Server::start().await).await;
    let before = target.seen();
    for (name, door) in ACTIONS {
        if matches!(door, Nobody) {
            let request = target.admin.request_at(Method::POST, &format!("/f/{name}"));
            request.body("{}").await.expect(404);
            target.expect_untouched(&before, name);
        }
    }
    let doors = ACTIONS.iter().filter(|(_, door)| !matches!(door, Nobody));
    let doors: Vec<_> = doors.map(|(name, _)| *name).collect();
    assert_eq!(doors, Action::FOR_PROGRAMS);
}
