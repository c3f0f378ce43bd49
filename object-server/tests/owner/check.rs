//! What a check finds, and mends.

use std::time::Duration;

use common::functional::check::{Accounts, Kind, Rebuild, Report, Run};
use common::functional::job::{Job, Show, State};
use common::name::ObjectName;
use object_server::checkpoint::{self, Loaded};
use object_server::lease::Lease;

use crate::World;
use crate::client::{Client, account, administrator};

/// Waits until a job has ended.
pub(crate) async fn ended(client: &Client, job: &Job) -> Job {
    let show = || Show {
        account: account(),
        id: job.id.clone(),
    };
    let waiting = async {
        loop {
            let job = client.ask_as(show(), administrator()).await.unwrap();
            if job.state.has_ended() {
                return job;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting)
        .await
        .unwrap()
}

pub(crate) fn run(repair: bool) -> Run {
    Run {
        account: account(),
        deep: false,
        repair,
        examples: None,
    }
}

pub(crate) async fn check(client: &Client, run: Run) -> Report {
    let job = client.ask_as(run, administrator()).await.unwrap();
    let job = ended(client, &job).await;
    assert_eq!(job.state, State::Done, "{:?}", job.error);
    assert_eq!(job.errors, 0, "{:?}", job.error);
    *job.report.unwrap()
}

/// The kinds that were found, with how many of each and how many of these were mended.
fn kinds(report: &Report) -> Vec<(Kind, u64, u64)> {
    let kinds = report.kinds.iter();
    kinds.map(|of| (of.kind, of.count, of.repaired)).collect()
}

async fn filled(world: &World) -> Client {
    let client = world.open().await;
    for container in ["c", "d"] {
        client.make_container(container).await.unwrap();
        for name in ["a", "b/c", "b/d/", "z"] {
            client.put(container, name, name).await.unwrap();
        }
    }
    client
}

#[tokio::test]
async fn where_nothing_differs_nothing_is_found() {
    let world = World::new();
    let client = filled(&world).await;
    let report = check(
        &client,
        Run {
            deep: true,
            ..run(false)
        },
    )
    .await;
    assert_eq!((report.containers, report.objects, report.differences), (2, 8, 0));
    assert_eq!(report.bytes, 2 * (1 + 3 + 4 + 1));
    let page = client.ask_as(Accounts::default(), administrator()).await.unwrap();
    assert_eq!(page.accounts, [account()]);
    let behind = Accounts {
        marker: Some(account()),
    };
    let page = client.ask_as(behind, administrator()).await.unwrap();
    assert!(page.accounts.is_empty());
}

#[tokio::test]
async fn rows_that_differ_are_found_and_mended() {
    let world = World::new();
    let client = filled(&world).await;
    let before = check(&client, run(false)).await;
    assert_eq!(before.differences, 0);
    world.mirror.meddle("c", |rows| {
        let name = |name: &str| ObjectName::new(name).unwrap();
        let row = rows.remove(&name("b/c")).unwrap();
        rows.insert(name("nobody/put/it"), row);
        rows.get_mut(&name("z")).unwrap().object_mut().unwrap().bytes += 1;
    });
    world.mirror.lose_container("d");
    let expected = |mended: u64| {
        vec![
            (Kind::Container, 1, mended),
            (Kind::NotInMirror, 5, 5 * mended),
            (Kind::NotInStorage, 1, mended),
            (Kind::Row, 1, mended),
        ]
    };
    let report = check(&client, run(false)).await;
    assert_eq!(kinds(&report), expected(0));
    let missing = &report.kinds[1].examples;
    let paths: Vec<_> = missing.iter().map(|of| of.path.as_str()).collect();
    assert_eq!(paths, ["c/b/c", "d/a", "d/b/c", "d/b/d/", "d/z"]);
    assert!(
        missing
            .iter()
            .all(|of| of.storage.is_some() && of.found.is_none())
    );
    assert_eq!(report.kinds[2].examples[0].path, "c/nobody/put/it");

    let report = check(&client, run(true)).await;
    assert_eq!(kinds(&report), expected(1));
    assert_eq!(check(&client, run(false)).await.differences, 0);
    let few = Run {
        examples: Some(0),
        ..run(true)
    };
    world.mirror.lose_container("d");
    let report = check(&client, few).await;
    assert_eq!((report.differences, report.repaired), (5, 5));
    assert!(report.kinds.iter().all(|of| of.examples.is_empty()));
    client.server.close().await.unwrap();
}

#[tokio::test]
async fn a_mirror_is_filled_anew_while_changes_go_on() {
    let world = World::new();
    let client = filled(&world).await;
    let fillings = world.mirror.fillings();
    let rebuild = Rebuild { account: account() };
    let job = client.ask_as(rebuild, administrator()).await.unwrap();
    for number in 0..50 {
        client.put("c", &format!("new/{number}"), "x").await.unwrap();
        let listed = client.list("c").await.unwrap().len();
        assert_eq!(listed, 4 + number + 1, "a listing is right at any time");
    }
    let job = ended(&client, &job).await;
    assert_eq!(job.state, State::Done, "{:?}", job.error);
    assert!(job.done >= 8, "{job:?}");
    assert_eq!(world.mirror.fillings(), fillings + 1);
    let report = check(&client, run(false)).await;
    assert_eq!((report.objects, report.differences), (58, 0));
}

#[test]
fn a_wrong_counter_is_found_and_mended_for_good() {
    let world = World::new();
    world.crash_after(async |client| {
        client.make_container("c").await.unwrap();
        client.put("c", "a", "four").await.unwrap();
        client.server.close().await.unwrap();
    });
    let state = world.state.path();
    let accounts = std::fs::read_dir(state.join("accounts")).unwrap();
    let ids = accounts.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let id: u64 = ids.last().unwrap().parse().unwrap();
    world.crash_after(async |_| {});
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let Loaded::Good(mut checkpoint) = checkpoint::load(state, id).await.unwrap() else {
            panic!("there is a checkpoint");
        };
        for count in checkpoint.containers.values_mut() {
            count.objects += 2;
            count.bytes += 7;
        }
        checkpoint::save(state, &Lease::default(), checkpoint)
            .await
            .unwrap();
    });
    world.crash_after(async |client| {
        assert_eq!(client.head_container("c").await.unwrap().bytes, 11);
        assert_eq!(kinds(&check(&client, run(false)).await), [(Kind::Counter, 1, 0)]);
        assert_eq!(client.head_container("c").await.unwrap().bytes, 11);
        let report = check(&client, run(true)).await;
        assert_eq!(kinds(&report), [(Kind::Counter, 1, 1)]);
        let example = &report.kinds[0].examples[0];
        assert_eq!(example.storage.as_deref(), Some("1 objects, 4 bytes"));
        assert_eq!(example.found.as_deref(), Some("3 objects, 11 bytes"));
    });
    world.crash_after(async |client| {
        let info = client.head_container("c").await.unwrap();
        assert_eq!((info.objects, info.bytes), (1, 4));
        assert_eq!(client.head_account().await.unwrap().bytes, 4);
        assert_eq!(check(&client, run(false)).await.differences, 0);
    });
}

/// Changes are no differences, however many there are while a check looks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_among_changes_finds_nothing() {
    let world = World::new();
    let client = filled(&world).await;
    for number in 0..200 {
        client.put("c", &format!("there/{number:03}"), "x").await.unwrap();
    }
    let changing = async {
        for round in 0..6 {
            for number in 0..60 {
                let name = format!("{}/{:03}", ["a", "there", "x"][number % 3], number * 3);
                if (round + number) % 2 == 0 {
                    client.put("c", &name, &"y".repeat(round)).await.unwrap();
                } else {
                    let _maybe_absent = client.delete("c", &name).await;
                }
            }
        }
    };
    let checking = async {
        let mut reports = Vec::new();
        for _ in 0..4 {
            reports.push(check(&client, run(true)).await);
        }
        reports
    };
    let ((), reports) = tokio::join!(changing, checking);
    for report in reports {
        assert_eq!(report.differences, 0, "{report:?}");
    }
    let report = check(&client, run(false)).await;
    assert_eq!(report.differences, 0, "{report:?}");
}
