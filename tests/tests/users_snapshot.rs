//! The policy snapshot: who can log in is known without the database, and fills one that was emptied.

use std::fs;
use std::path::{Path, PathBuf};

use http::Method;
use integration_tests::cluster::until;
use integration_tests::server::{Builder, DATABASE_SETTING};
use integration_tests::{Client, Database, Server};

const JOE: &str = r#"{"account": "test", "name": "joe", "password": "secret", "groups": [".admin"]}"#;
const ANN: &str = r#"{"account": "test", "name": "ann", "password": "secret"}"#;

async fn put_user(admin: &Client, json: &'static str) -> u16 {
    let request = admin.request_at(Method::POST, "/f/user/put").body(json);
    request.await.status()
}

/// A user whose log-in and whose file are known to the server.
async fn joe(server: &Server) -> Client {
    assert_eq!(put_user(&server.admin().await, JOE).await, 200);
    let joe = server.login("test:joe", "secret").await;
    joe.put("c", "").await.expect(201);
    joe.put("c/o", "hello").await.expect(201);
    until("the user is in the snapshots", || async {
        snapshots(server.built())
            .iter()
            .all(|path| fs::read_to_string(path).is_ok_and(|text| text.contains("\"joe\"")))
    })
    .await;
    joe
}

fn snapshots(builder: &Builder) -> Vec<PathBuf> {
    let directory = builder.data().join("policy");
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths
        .into_iter()
        .filter(|path| path.extension().is_none())
        .collect()
}

/// `client` with the same token, at a server that was started again.
fn again(client: &Client, server: &Server) -> impl Future<Output = u16> {
    let get = server
        .client()
        .request_at(Method::GET, &format!("{}/c/o", client.base()))
        .header("x-auth-token", client.token());
    async move { get.await.status() }
}

/// Where SQLite's file is out of everybody's reach until it is given back.
struct Hidden(Vec<(PathBuf, PathBuf)>);

impl Hidden {
    fn take(data: &Path) -> Self {
        let mut moved = Vec::new();
        for name in ["stobj.sqlite", "stobj.sqlite-wal", "stobj.sqlite-shm"] {
            let (here, there) = (data.join(name), data.join(format!("hidden-{name}")));
            if fs::rename(&here, &there).is_ok() {
                moved.push((here, there));
            }
        }
        // Not a file that could be opened.
        fs::create_dir(data.join("stobj.sqlite")).expect("the data are ours");
        Self(moved)
    }

    fn give_back(self, data: &Path) {
        fs::remove_dir(data.join("stobj.sqlite")).expect("the data are ours");
        for (here, there) in self.0 {
            fs::rename(there, here).expect("the data are ours");
        }
    }
}

#[tokio::test]
async fn a_server_that_starts_without_its_database_knows_who_can_log_in() {
    let server = Server::start().await;
    let client = joe(&server).await;
    let builder = server.stop().await;
    let database = builder.own_database().await.is_some();
    let hidden = (!database).then(|| Hidden::take(&builder.data()));
    let builder = match database {
        true => builder.variable(DATABASE_SETTING, "mysql://nobody:x@127.0.0.1:1/none"),
        false => builder,
    };
    let server = builder.start().await;
    server.login("test:joe", "secret").await;
    assert_eq!(again(&client, &server).await, 200);
    let wrong = server.client().ask_for_token("test:joe", "wrong").await;
    wrong.expect(401);
    let refused = server
        .client()
        .request_at(Method::POST, "/f/user/put")
        .header("x-auth-token", server.admin().await.token())
        .body(ANN)
        .await
        .expect(503);
    assert!(refused.number("retry-after") > 0);
    if let Some(hidden) = hidden {
        hidden.give_back(&server.data());
        let admin = server.admin().await;
        until("the database is there again", || async {
            put_user(&admin, ANN).await == 200
        })
        .await;
    }
}

#[tokio::test]
async fn an_emptied_database_is_filled_from_the_snapshot() {
    let server = Server::start().await;
    let client = joe(&server).await;
    let builder = server.stop().await;
    match builder.own_database().await {
        Some(database) => database.empty().await,
        None => {
            for name in ["stobj.sqlite", "stobj.sqlite-wal", "stobj.sqlite-shm"] {
                let _absent = fs::remove_file(builder.data().join(name));
            }
        }
    }
    let server = builder.start().await;
    assert_eq!(again(&client, &server).await, 200);
    server.login("test:joe", "secret").await;
    let admin = server.admin().await;
    let list = admin.request_at(Method::POST, "/f/user/list").await.expect(200);
    assert!(list.text().contains("\"joe\""), "{list:?}");
    assert_eq!(put_user(&admin, ANN).await, 200);
    server.login("test:ann", "secret").await;
}

#[tokio::test]
async fn a_database_that_is_emptied_under_a_running_server_is_filled() {
    let server = Server::builder().database(Database::MariaDb).start().await;
    let client = joe(&server).await;
    let database = server.built().own_database().await;
    database.expect("it was asked for").empty().await;
    let admin = server.admin().await;
    let list = || admin.request_at(Method::POST, "/f/user/list");
    until("the users are back", || async {
        let list = list().await;
        list.status() == 200 && list.text().contains("\"joe\"")
    })
    .await;
    assert_eq!(put_user(&admin, ANN).await, 200);
    assert_eq!(again(&client, &server).await, 200);
    server.login("test:ann", "secret").await;
    server.login("test:joe", "secret").await;
}

/// Waits until the server has said so: its lines come through a pipe.
async fn says(server: &Server, words: &str) {
    until(words, || async { !server.log().lines_with(words).is_empty() }).await;
}

#[tokio::test]
async fn a_torn_or_forged_snapshot_is_passed_over() {
    let server = Server::start().await;
    let client = joe(&server).await;
    let builder = server.stop().await;
    let paths = snapshots(&builder);
    assert!(!paths.is_empty());
    for path in &paths {
        let bytes = fs::read(path).expect("the data are ours");
        let text = String::from_utf8(bytes).expect("it is text");
        let forged = text.replace("\"joe\"", "\"eve\"");
        fs::write(path, &forged).expect("the data are ours");
        let torn = path.with_file_name(format!("torn-{}", path.file_name().is_some()));
        fs::write(torn, &text[..text.len() / 2]).expect("the data are ours");
    }
    let server = builder.start().await;
    for path in paths {
        let path = path.display().to_string();
        until(&format!("{path} is passed over"), || async {
            let lines = server.log().lines_with(&path);
            lines.iter().any(|line| line.contains("is passed over"))
        })
        .await;
    }
    says(&server, "torn-true").await;
    assert_eq!(again(&client, &server).await, 200);
    server.login("test:joe", "secret").await;
}

/// SQLite's; of a server that has ended mostly only the first is left.
const DATABASE_FILES: [&str; 3] = ["stobj.sqlite", "stobj.sqlite-wal", "stobj.sqlite-shm"];

fn files_of_the_database(data: &Path) -> Vec<Option<Vec<u8>>> {
    DATABASE_FILES
        .iter()
        .map(|file| fs::read(data.join(file)).ok())
        .collect()
}

#[tokio::test]
async fn a_database_of_an_older_day_lets_nobody_in_again() {
    let server = Server::builder().database(Database::Sqlite).start().await;
    assert_eq!(put_user(&server.admin().await, ANN).await, 200);
    let builder = server.stop().await;
    let data = builder.data();
    let older = files_of_the_database(&data);
    let server = builder.start().await;
    let other = r#"{"account": "test", "name": "ann", "password": "another"}"#;
    assert_eq!(put_user(&server.admin().await, other).await, 200);
    let builder = server.stop().await;
    for (file, bytes) in DATABASE_FILES.iter().zip(older) {
        let file = data.join(file);
        match bytes {
            Some(bytes) => fs::write(file, bytes).expect("the data are ours"),
            // It may never have been there.
            None => drop(fs::remove_file(file)),
        }
    }
    let server = builder.start().await;
    server.login("test:ann", "another").await;
    let former = server.client().ask_for_token("test:ann", "secret").await;
    former.expect(401);
    says(&server, "lower than").await;
    assert_eq!(put_user(&server.admin().await, JOE).await, 409);

    // Whoever wants that day back says so.
    let builder = server.stop().await;
    fs::remove_dir_all(builder.data().join("policy")).expect("the data are ours");
    let server = builder.start().await;
    server.login("test:ann", "secret").await;
    assert_eq!(put_user(&server.admin().await, JOE).await, 200);
}
