//! The store as three processes: `stobj proxy`, `stobj object-server`, `stobj account-server`.

use std::path::Path;

use integration_tests::cluster::Place;
use integration_tests::mariadb::OwnDatabase;
use integration_tests::server::DATABASE_SETTING;
use integration_tests::{Client, Database, Process, Server, Shape, cluster, program};
use tempfile::TempDir;
use tokio::process::Command;

/// Processes that are started one by one, at addresses that are known before.
struct Cluster {
    directory: TempDir,
    object_server: Place,
    account_server: Place,
    /// `None`: SQLite.
    database: Option<OwnDatabase>,
}

impl Cluster {
    async fn new() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a temporary directory can be made"),
            object_server: Place::new(),
            account_server: Place::new(),
            database: Database::wanted().create().await,
        }
    }

    fn command(&self, part: &str, data: &Path) -> Command {
        let mut command = Command::new(program::server());
        program::without_settings(&mut command)
            .arg(part)
            .arg("--data")
            .arg(data)
            .current_dir(self.directory.path())
            .env(
                "STOBJ_CLUSTER__OBJECT_SERVER",
                self.object_server.address().to_string(),
            )
            .env(
                "STOBJ_CLUSTER__ACCOUNT_SERVER",
                self.account_server.address().to_string(),
            )
            .env("STOBJ_PROXY__LISTEN", "127.0.0.1:0")
            .env("STOBJ_ADMIN_PASSWORD", "admin");
        if let Some(database) = &self.database {
            command.env(DATABASE_SETTING, database.url());
        }
        command
    }

    async fn start(&self, part: &str) -> Process {
        Process::start(&mut self.command(part, &self.directory.path().join("data"))).await
    }
}

async fn end(mut process: Process) {
    process.terminate();
    assert!(process.ended().await.success(), "{:?}", process.log().lines());
}

/// Asks until the answer has this status.
async fn until(status: u16, client: &Client, path: &str) {
    let is_so = || async { client.get(path).await.status() == status };
    cluster::until(&format!("an answer {status}"), is_so).await;
}

#[tokio::test]
async fn what_clients_do_works_over_three_processes() {
    let server = Server::builder().shape(Shape::Split).start().await;
    let client = server.tester().await;
    client
        .put("c", "")
        .header("x-container-read", ".r:*")
        .await
        .expect(201);
    let long = vec![b'x'; 3_000_000];
    client.put("c/long", long.clone()).await.expect(201);
    client.put("c/empty", "").await.expect(201);
    client.get("c/long").await.expect(200).expect_body(&long);
    client.get("c/empty").await.expect(200).expect_body("");
    client
        .list("c")
        .await
        .expect(200)
        .expect_entries(&["empty", "long"]);
    let etag = client.head("c/long").await.expect(200).header("etag").to_owned();
    client
        .get("c/long")
        .header("if-none-match", &etag)
        .await
        .expect(304);
    client.delete("c/long").await.expect(204);
    // What was decided under an old generation is decided again, and the body arrives nevertheless.
    client.delete("c/empty").await.expect(204);
    client.delete("c").await.expect(204);
    client.put("c/o", "hello").await.expect(404);
    client.put("c", "").await.expect(201);
    client.put("c/o", "hello").await.expect(201);
    let server = server.stop().await.start().await;
    let client = server.tester().await;
    client.get("c/o").await.expect(200).expect_body("hello");
    client.list("c").await.expect(200).expect_entries(&["o"]);
}

#[tokio::test]
async fn the_processes_may_start_in_any_order_and_the_account_server_may_go() {
    let cluster = Cluster::new().await;
    // Makes the keys. It may live long enough to leave behind who can log in; nobody shall know yet.
    end(cluster.start("account-server").await).await;
    drop(std::fs::remove_dir_all(
        cluster.directory.path().join("data/policy"),
    ));
    let proxy = cluster.start("proxy").await;
    let early = Client::of(&proxy);
    early.ask_for_token("admin:admin", "admin").await.expect(503);
    let object_server = cluster.start("object-server").await;
    let account_server = cluster.start("account-server").await;
    let client = proxy.admin().await;
    client.put("c", "").await.expect(201);
    client.put("c/o", "hello").await.expect(201);
    end(account_server).await;
    client.get("c/o").await.expect(200).expect_body("hello");
    client.put("c/p", "there").await.expect(201);
    client.list("c").await.expect(200).expect_entries(&["o", "p"]);
    let account_server = cluster.start("account-server").await;
    client.put("c/q", "again").await.expect(201);
    client
        .list("c")
        .await
        .expect(200)
        .expect_entries(&["o", "p", "q"]);
    end(object_server).await;
    client.get("c/o").await.expect(503);
    let object_server = cluster.start("object-server").await;
    until(200, &client, "c/o").await;
    for process in [proxy, object_server, account_server] {
        end(process).await;
    }
}

#[tokio::test]
async fn a_process_without_the_keys_says_what_to_do() {
    let cluster = Cluster::new().await;
    let elsewhere = cluster.directory.path().join("elsewhere");
    for part in ["proxy", "object-server"] {
        let output = program::finish(&mut cluster.command(part, &elsewhere)).await;
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            said.contains("stobj account-server") && said.contains("copy it here"),
            "{said}"
        );
        assert!(!elsewhere.exists(), "a server that does not start makes nothing");
    }
}
