//! Ways to touch the object by its directory, and over accounts.

use std::path::PathBuf;

use integration_tests::client::Request;
use integration_tests::cluster::until;
use integration_tests::{Client, Response, Server};
use serde_json::Value;

use crate::target::{CONTENT, LONGER};
use crate::ways::{OTHER, TREE_WAYS, TreeWay};

/// Two accounts with trees.
struct Trees {
    server: Server,
    /// Who administers the first, and may read and write in the container of the other.
    owner: Client,
    /// Who administers the store.
    admin: Client,
}

/// All that can be seen of both trees.
#[derive(Debug, PartialEq)]
struct Seen {
    listed: Vec<Value>,
    counted: Vec<[u64; 2]>,
    object: Vec<u8>,
    attributes: Vec<u8>,
}

impl Trees {
    async fn new(server: Server) -> Self {
        let owner = server.tester().await;
        owner.put("c", "").await.expect(201);
        owner.put("c/t/d/o", CONTENT).await.expect(201);
        owner.put("c/t/m/y", LONGER).await.expect(201);
        let other = server.login("test2:tester2", "testing2").await;
        let put = other.put("k", "").header("x-container-write", "test:tester");
        put.header("x-container-read", "test:tester").await.expect(201);
        for name in ["t/e/z", "t/p"] {
            other.put(&format!("k/{name}"), LONGER).await.expect(201);
        }
        Self::of(server).await
    }

    /// The same, started anew.
    async fn of(server: Server) -> Self {
        let owner = server.tester().await;
        let admin = server.admin().await;
        Self {
            owner,
            admin: admin.at_account("AUTH_test"),
            server,
        }
    }

    fn object(&self) -> PathBuf {
        self.server.objects().join("AUTH_test/c/t/d/o")
    }

    async fn seen(&self) -> Seen {
        let mut attributes = vec![0; 8192];
        let length = rustix::fs::getxattr(self.object(), "user.stobj", &mut attributes[..]);
        attributes.truncate(length.expect("an object has attributes"));
        let (mut listed, mut counted) = (Vec::new(), Vec::new());
        for (account, container) in [("AUTH_test", "c"), (OTHER, "k")] {
            let client = self.admin.at_account(account);
            listed.push(client.list(container).await.expect(200).json());
            let head = client.head(container).await.expect(204);
            counted.push(["object-count", "bytes-used"].map(|of| head.number(&format!("x-container-{of}"))));
        }
        Seen {
            listed,
            counted,
            object: std::fs::read(self.object()).expect("the object is there"),
            attributes,
        }
    }

    /// Tries these ways by each of these; `refuses` looks at what is answered, and nothing is changed by any.
    async fn try_all(
        &self,
        clients: &[&Client],
        ways: impl Fn(&TreeWay) -> bool,
        refuses: impl AsyncFn(&Client, &TreeWay, Response),
    ) {
        let before = self.seen().await;
        for client in clients {
            for way in TREE_WAYS.iter().filter(|way| ways(way)) {
                let response = (way.request)(client).await;
                refuses(client, way, response).await;
                assert_eq!(self.seen().await, before, "{}", way.name);
            }
        }
    }

    /// Both accounts, containers and the directory in each, with what limits its bytes.
    async fn limit(&self, what: usize, bytes: [&str; 2]) {
        let places = [("AUTH_test", "c"), (OTHER, "k")];
        for ((account, container), bytes) in places.into_iter().zip(bytes) {
            let client = self.admin.at_account(account);
            let request: Request = match what {
                0 => client.post("").header("x-account-quota-bytes", bytes),
                1 => {
                    let post = client.post(container);
                    post.header("x-container-meta-quota-bytes", bytes)
                }
                _ => {
                    let post = client.post(&format!("{container}/t/"));
                    post.header("x-directory-quota-bytes", bytes)
                }
            };
            request.await.expect(204);
        }
    }
}

/// Refused at once.
async fn forbidden(_: &Client, way: &TreeWay, response: Response) {
    assert_eq!(response.status(), 403, "{}", way.name);
    assert!(!response.text().contains(&CONTENT[..6]), "{}", way.name);
}

/// Refused at once, or by the job that was begun.
async fn no_room(client: &Client, way: &TreeWay, response: Response) {
    if response.status() == 413 {
        return;
    }
    let response = response.expect(202);
    let (account, _) = response.header("location").split_once("?").expect("of a job");
    let account = account.rsplit_once('/').expect("a path").1.to_owned();
    let id = response.json()["id"].as_str().expect("jobs have ids").to_owned();
    let client = client.at_account(&account);
    until(&format!("{}: the job fails", way.name), || async {
        let job = client.get("").query("job", &id).await.expect(200).json();
        assert_ne!(job["state"], "done", "{}: {job}", way.name);
        job["state"] == "failed"
    })
    .await;
}

#[tokio::test]
async fn denied_by_a_rule() {
    let trees = Trees::new(Server::start().await).await;
    let rule = r#"
[[filter.firewall.rules]]
name = "the object"
decision = "deny"
paths = ["AUTH_test/c/t/d/o"]
"#;
    let server = trees.server.stop().await.setting(rule).start().await;
    let trees = Trees::of(server).await;
    trees
        .try_all(&[&trees.owner, &trees.admin], |_| true, forbidden)
        .await;
}

#[tokio::test]
async fn the_object_is_switched_off() {
    let trees = Trees::new(Server::start().await).await;
    let disable = trees.admin.post("c/t/d/o").header("x-resource-state", "disable");
    disable.await.expect(202);
    trees
        .try_all(&[&trees.owner, &trees.admin], |_| true, forbidden)
        .await;
}

#[tokio::test]
async fn the_quota_is_used_up() {
    let trees = Trees::new(Server::start().await).await;
    trees
        .owner
        .make_directory("c/t/")
        .await
        .expect_one_of(&[201, 405]);
    let other = trees.admin.at_account(OTHER);
    other.make_directory("k/t/").await.expect_one_of(&[201, 405]);
    let used = [CONTENT.len() + LONGER.len(), 2 * LONGER.len()].map(|used| used.to_string());
    for what in 0..3 {
        trees.limit(what, [&used[0], &used[1]]).await;
        let clients = [&trees.admin];
        trees.try_all(&clients, |way| way.stores, no_room).await;
        trees.limit(what, ["", ""]).await;
    }
}

/// Who may write, but set no limits, would else make it anew without its limit.
#[tokio::test]
async fn the_limit_of_a_directory_is_not_theirs() {
    let trees = Trees::new(Server::start().await).await;
    for (account, container) in [("AUTH_test", "c"), (OTHER, "k")] {
        let client = trees.admin.at_account(account);
        let post = client.post(container).header("x-container-write", "test:tester3");
        post.header("x-container-read", "test:tester3").await.expect(204);
    }
    trees
        .owner
        .make_directory("c/t/d/")
        .await
        .expect_one_of(&[201, 405]);
    let limit = trees.owner.post("c/t/d/").header("x-directory-quota-count", "9");
    limit.await.expect(204);
    let user = trees.server.login("test:tester3", "testing3").await;
    let user = user.at_account("AUTH_test");
    trees
        .try_all(
            &[&user],
            |way| way.removes,
            async |_, way, response| {
                assert_eq!(response.status(), 403, "{}", way.name);
                assert!(
                    response.text().contains("limit"),
                    "{}: {}",
                    way.name,
                    response.text()
                );
            },
        )
        .await;
    let show = trees.admin.request_at(http::Method::POST, "/f/quota/show");
    let quota = show
        .body(r#"{"account": "AUTH_test", "container": "c", "directory": "t/d/"}"#)
        .await
        .expect(200)
        .json();
    assert_eq!(quota["objects"]["limit"], 9, "{quota}");
}
