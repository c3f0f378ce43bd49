//! An object-server is killed, and another one, which stood by, owns its accounts: nothing that was acknowledged is lost, each
//! change is whole or not at all and has one record, and clients see 503 for a while, and nothing else. The same when it was only
//! cut off and comes back: then it is the owner no more, and changes nothing.

use std::time::Duration;

use integration_tests::cluster::until;
use integration_tests::tree_workers::Working;
use integration_tests::{Chance, Client, Cluster, CommandLine, Process, TreeWorkers};
use serde_json::Value;
use tokio::time::sleep;

const WORKERS: usize = 4;

const STANDING_BY: &str = "standing by";
const TAKEN_OVER: &str = "owns all accounts now";
const WAITING: &str = "waiting until its lease is not renewed for so long";
const RUN_OUT: &str = "the lease of the storage ran out";
const LOST: &str = "another server has taken the storage over";

/// Two object-servers, an account-server and a proxy, and who works there.
struct Store {
    cluster: Cluster,
    account_server: Process,
    /// The one that serves, and which it is.
    owner: (usize, Process),
    standby: Process,
    proxy: Process,
    workers: TreeWorkers,
}

/// Waits until the process has said so.
async fn says(process: &Process, what: &str) {
    until(what, || async { !process.log().lines_with(what).is_empty() }).await;
}

impl Store {
    async fn start(cluster: Cluster) -> Self {
        let account_server = cluster.start("account-server").await;
        let owner = cluster.start_object_server(0, "").await;
        let standby = cluster.start_object_server(1, "").await;
        says(&standby, STANDING_BY).await;
        let proxy = cluster.start("proxy").await;
        let client = proxy.admin().await;
        let workers = TreeWorkers::start(&client, WORKERS).await;
        Self {
            cluster,
            account_server,
            owner: (0, owner),
            standby,
            proxy,
            workers,
        }
    }

    /// Kills the owner while clients work, and starts it again when the other one owns everything: that stands by now.
    async fn change_owner(mut self, chance: &mut Chance) -> Self {
        let client = self.proxy.admin().await;
        let working = self.begin_work(&client, chance).await;
        let (which, killed) = &mut self.owner;
        let which = *which;
        killed.kill().await;
        only_unavailable(&client).await;
        says(&self.standby, TAKEN_OVER).await;
        self.end_work(working).await;
        let again = self.cluster.start_object_server(which, "").await;
        says(&again, STANDING_BY).await;
        self.owner = (1 - which, self.standby);
        self.standby = again;
        self
    }

    /// Cuts the owner off while clients work, and has it back when the other one owns everything: that stands by now.
    async fn cut_off_owner(mut self, chance: &mut Chance) -> Self {
        let client = self.proxy.admin().await;
        let working = self.begin_work(&client, chance).await;
        let (which, cut_off) = &self.owner;
        let which = *which;
        cut_off.freeze();
        self.cluster.give_locks_away();
        says(&self.standby, WAITING).await;
        says(&self.standby, RUN_OUT).await;
        says(&self.standby, TAKEN_OVER).await;
        cut_off.thaw();
        says(cut_off, LOST).await;
        says(cut_off, STANDING_BY).await;
        self.end_work(working).await;
        let owner = std::mem::replace(&mut self.owner.1, self.standby);
        self.owner.0 = 1 - which;
        self.standby = owner;
        self
    }

    /// Has all workers change things, for a moment so far.
    async fn begin_work(&mut self, client: &Client, chance: &mut Chance) -> Working {
        let working = std::mem::take(&mut self.workers).begin(client);
        sleep(Duration::from_millis(200 + chance.below(600) as u64)).await;
        working
    }

    /// Ends that when there is another owner, who has all that was acknowledged.
    async fn end_work(&mut self, working: Working) {
        let next = self.cluster.start("proxy").await;
        // Whoever works still, works for the new owner; and ends with the proxy, when that has answered what is under way.
        std::mem::replace(&mut self.proxy, next).end().await;
        self.workers = working.ended().await;
        let client = self.proxy.admin().await;
        self.workers.settle(&client).await;
    }

    /// Storage, mirror and counters are one, and each change that was answered has one record.
    async fn check(&self) {
        let client = self.proxy.admin().await;
        let url = format!("http://{}/auth/v1.0", self.proxy.address());
        let command = CommandLine::at(&url, "admin:admin", integration_tests::server::ADMIN_PASSWORD);
        let ended = command.run(&["check", "--json"]).await;
        let report: Value = serde_json::from_slice(&ended.out).expect("a report is JSON");
        assert_eq!(
            (ended.code, &report["differences"]),
            (0, &Value::from(0)),
            "{report}"
        );
        self.workers.expect_records(&client).await;
    }
}

/// Nobody is told anything but "not now, come back" until an owner is there again, which is soon.
async fn only_unavailable(client: &Client) {
    until("the other one serves", || async {
        let head = client.head("worker-0-a").await.expect_one_of(&[204, 503]);
        if head.status() == 503 {
            assert!(head.find_header("retry-after").is_some(), "{head:?}");
        }
        head.status() == 204
    })
    .await;
}

#[tokio::test]
async fn who_stood_by_owns_what_the_killed_one_did_and_back() {
    let mut chance = Chance::new(23);
    let mut store = Store::start(Cluster::with_standby().await).await;
    for _ in 0..2 {
        store = store.change_owner(&mut chance).await;
        store.check().await;
    }
    // One that is asked to end hands over as well, and one that waits can be asked to.
    let client = store.proxy.admin().await;
    let (_, owner) = store.owner;
    owner.end().await;
    only_unavailable(&client).await;
    store.workers.settle(&client).await;
    for process in [store.proxy, store.standby, store.account_server] {
        process.end().await;
    }
}

#[tokio::test]
async fn who_was_cut_off_and_comes_back_owns_nothing_and_changes_nothing() {
    let Some(cluster) = Cluster::with_machines().await else {
        return;
    };
    let mut chance = Chance::new(29);
    let mut store = Store::start(cluster).await;
    for _ in 0..2 {
        store = store.cut_off_owner(&mut chance).await;
        store.check().await;
    }
    // What is given back in good order is not waited for.
    let client = store.proxy.admin().await;
    let (_, owner) = store.owner;
    owner.end().await;
    only_unavailable(&client).await;
    assert_eq!(store.standby.log().lines_with(RUN_OUT).len(), 1);
    for process in [store.proxy, store.standby, store.account_server] {
        process.end().await;
    }
}

#[tokio::test]
async fn who_waits_can_be_ended_and_who_shall_not_wait_does_not_start() {
    let cluster = Cluster::with_standby().await;
    let account_server = cluster.start("account-server").await;
    let owner = cluster.start_object_server(0, "").await;
    let standby = cluster.start_object_server(1, "").await;
    says(&standby, STANDING_BY).await;
    standby.end().await;
    let said = cluster.refused("object-server").await;
    assert!(said.contains("another process already serves"), "{said}");
    for process in [owner, account_server] {
        process.end().await;
    }
}
