//! What happens while the database is away.

use std::time::Duration;

use account_server::Settings;
use common::config::Period;
use common::functional::listing::Query;
use common::{Error, Outcome};

use tokio::time::Instant;

use crate::database::Database;
use crate::support::*;

#[track_caller]
fn assert_unavailable<T: std::fmt::Debug>(result: Result<T, Error>) {
    let error = result.unwrap_err();
    assert_eq!(*error.outcome(), Outcome::Unavailable(Some(1)));
}

/// A lock held by another process stands for every way in which a database can be away.
#[tokio::test]
async fn nobody_waits_while_the_database_is_away() {
    let settings = Settings {
        timeout: Period(Duration::from_secs(5)),
        ..Settings::default()
    };
    let server = Server::with(settings).await;
    let mut owner = server.owner();
    owner.apply([put_container("c")]).await;

    let mut thief = server.look().await;
    thief.hold().await;

    let first = owner.batch([put("c", "a", 1)]);
    let second = owner.batch([put("c", "b", 1)]);
    let (one, two) = tokio::join!(server.ask(first.clone()), server.ask(second.clone()));
    assert_unavailable(one);
    assert_unavailable(two);
    assert!(server.server.is_away());

    let (begin, statements) = (Instant::now(), server.server.statements());
    assert_unavailable(server.ask(first.clone()).await);
    assert_unavailable(owner.try_list("c", &Query::default()).await);
    // Which it does once a second.
    let (made, tries) = (
        server.server.statements() - statements,
        1 + begin.elapsed().as_secs(),
    );
    assert!(
        made <= 3 * tries,
        "only the probe may try: {made} statements in {tries} s"
    );

    thief.release().await;
    tokio::time::timeout(Duration::from_secs(60), server.server.available())
        .await
        .expect("the probe closes the breaker");
    server.ask(first).await.unwrap();
    server.ask(second).await.unwrap();
    assert_eq!(owner.names("c", &Query::default()).await, ["a", "b"]);
}

#[tokio::test]
async fn closing_writes_what_is_queued_and_refuses_what_comes_after() {
    let server = Server::start().await;
    let mut owner = server.owner();
    let batches: Vec<_> = (0..20)
        .map(|number| owner.batch([put("c", &number.to_string(), 1)]))
        .collect();
    let sent = futures::future::join_all(batches.into_iter().map(|batch| server.ask(batch)));
    let (answers, ()) = tokio::join!(sent, server.server.close());
    for answer in answers {
        answer.unwrap();
    }
    let late = owner.batch([put("c", "late", 1)]);
    let error = server.ask(late).await.unwrap_err();
    assert!(matches!(error.outcome(), Outcome::Unavailable(_)));
    assert_eq!(owner.checked_objects().await.len(), 20);
}

#[tokio::test]
async fn a_database_that_is_none_is_refused_at_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("text");
    std::fs::write(&path, "this is no database, whatever its name may say of it").unwrap();
    for database in [
        "postgres://nowhere/x".to_owned(),
        format!("sqlite:{}", path.display()),
    ] {
        let settings = Settings {
            database: common::Secret::new(database),
            ..Settings::default()
        };
        let opened = account_server::AccountServer::open(&settings, &path).await;
        assert!(opened.is_err());
    }
}

#[tokio::test]
async fn a_schema_of_a_newer_program_is_refused() {
    let server = Server::start().await;
    let newer = "UPDATE _sqlx_migrations SET version = 29991231000001 WHERE version = 20261121000003";
    let error = server.reopen_after(newer).await.err().unwrap();
    let text = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        text.contains("newer version") && text.contains("29991231000001"),
        "{text}"
    );
}

#[tokio::test]
async fn a_schema_in_other_words_is_refused() {
    let server = Server::start().await;
    let other = "UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 20261121000002";
    let error = server.reopen_after(other).await.err().unwrap();
    let text = std::error::Error::source(&error).unwrap().to_string();
    assert!(text.contains("20261121000002"), "{text}");
}

#[tokio::test]
async fn a_url_that_names_no_database_is_refused_and_not_repeated() {
    let file = std::path::Path::new("/nowhere/stobj.sqlite");
    for url in [
        "mysql://stobj:s3/cr3t@localhost/stobj",
        "mysql://stobj:123/cr3t@localhost/stobj",
        "mysql://stobj:s3cr3t@localhost",
        "mysql://stobj:s3cr3t@localhost:port/stobj",
        "mariadb://stobj:s3#cr3t@localhost/stobj",
        "oracle://stobj:s3cr3t@localhost/stobj",
    ] {
        let settings = Settings {
            database: common::Secret::new(url),
            ..Settings::default()
        };
        let opened = account_server::AccountServer::open(&settings, file).await;
        let error = opened.err().unwrap_or_else(|| panic!("{url} is refused"));
        let text = std::error::Error::source(&error).unwrap().to_string();
        assert!(text.contains("[account-server] database"), "{text}");
        assert!(!format!("{error:?} {text}").contains("cr3t"), "{error:?}");
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_is_no_error() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("not-mounted").join("stobj.sqlite");
    let server = account_server::AccountServer::open(&Settings::default(), &file)
        .await
        .unwrap();
    assert!(server.is_away());
    assert!(server.away_because().unwrap().contains("unable to open"));
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    tokio::time::timeout(Duration::from_secs(60), server.available())
        .await
        .expect("it is tried once a second");
    assert!(server.away_because().is_none());
    server.close().await;
}

/// A database server may have the databases of many stores; of SQLite each file is one.
#[tokio::test]
async fn who_changes_the_schema_holds_up_no_other_store() {
    let database = Database::create().await;
    let directory = tempfile::tempdir().unwrap();
    if matches!(database, Database::Sqlite) {
        return;
    }
    let mut changing = database.look(directory.path()).await;
    changing
        .execute("DO GET_LOCK(CONCAT('stobj.migrations.', MD5(DATABASE())), 0)")
        .await;
    let other = Server::start().await;
    other.owner().apply([put_container("c")]).await;
    let server = Server::at(Settings::default(), database, directory).await;
    assert!(server.server.is_away());
    drop(changing);
    tokio::time::timeout(Duration::from_secs(60), server.server.available())
        .await
        .expect("it is tried once a second");
    server.owner().apply([put_container("c")]).await;
}
