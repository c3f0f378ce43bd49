//! Jobs: on the disk from the first moment, one after the other, cancelled, taken up again.

use common::functional::check::Rebuild;
use common::functional::job::{Cancel, List, Show, State};

use crate::World;
use crate::check::{ended, run};
use crate::client::{Client, account, administrator};

async fn list(client: &Client) -> Vec<(String, State)> {
    let list = List { account: account() };
    let jobs = client.ask_as(list, administrator()).await.unwrap().jobs;
    jobs.into_iter().map(|job| (job.id, job.state)).collect()
}

#[tokio::test]
async fn jobs_wait_for_each_other_and_can_be_cancelled() {
    let world = World::new();
    let client = world.open().await;
    client.make_container("c").await.unwrap();
    world.mirror.set_away(true);
    let mut jobs = Vec::new();
    for _ in 0..4 {
        let rebuild = Rebuild { account: account() };
        jobs.push(client.ask_as(rebuild, administrator()).await.unwrap());
    }
    let states: Vec<_> = list(&client).await.into_iter().map(|(_, state)| state).collect();
    let running = states.iter().filter(|state| **state == State::Running).count();
    assert!(running <= 2, "{states:?}");
    assert!(
        states[..2].iter().all(|state| *state == State::Queued),
        "{states:?}"
    );

    for job in [&jobs[3], &jobs[0]] {
        let cancel = Cancel {
            account: account(),
            id: job.id.clone(),
        };
        let cancelled = client.ask_as(cancel.clone(), administrator()).await.unwrap();
        assert_eq!(cancelled.state, State::Cancelled);
        let again = client.ask_as(cancel, administrator()).await.unwrap();
        assert_eq!((again.state, again.ended), (State::Cancelled, cancelled.ended));
    }
    world.mirror.set_away(false);
    for job in &jobs[1..3] {
        assert_eq!(ended(&client, job).await.state, State::Done);
    }
    let ids: Vec<_> = list(&client).await.into_iter().map(|(id, _)| id).collect();
    let newest_first: Vec<_> = jobs.iter().rev().map(|job| job.id.clone()).collect();
    assert_eq!(ids, newest_first);
}

#[test]
fn what_had_not_ended_begins_anew_after_a_crash() {
    let world = World::new();
    let (waiting, done) = world.crash_after(async |client| {
        client.make_container("c").await.unwrap();
        client.put("c", "a", "x").await.unwrap();
        let done = client.ask_as(run(false), administrator()).await.unwrap();
        let done = ended(&client, &done).await;
        world.mirror.set_away(true);
        let rebuild = Rebuild { account: account() };
        let waiting = client.ask_as(rebuild, administrator()).await.unwrap();
        (waiting, done)
    });
    world.mirror.set_away(false);
    world.mirror.forget_everything();
    world.crash_after(async |client| {
        assert_eq!(ended(&client, &waiting).await.state, State::Done);
        let show = Show {
            account: account(),
            id: done.id.clone(),
        };
        assert_eq!(client.ask_as(show, administrator()).await.unwrap(), done);
        client.server.close().await.unwrap();
    });
    assert_eq!(world.mirror.objects(), [("c/a".to_owned(), 1)]);
    // A closing server only stops its jobs.
    let stopped = world.crash_after(async |client| {
        world.mirror.set_away(true);
        let job = client.ask_as(run(false), administrator()).await.unwrap();
        client.server.close().await.unwrap();
        job
    });
    world.mirror.set_away(false);
    world.crash_after(async |client| {
        assert_eq!(ended(&client, &stopped).await.state, State::Done);
    });
}

#[tokio::test]
async fn jobs_of_administrators_are_hidden_from_others() {
    let world = World::new();
    let client = world.open().await;
    client.make_container("c").await.unwrap();
    let job = client.ask_as(run(false), administrator()).await.unwrap();
    ended(&client, &job).await;
    let show = Show {
        account: account(),
        id: job.id.clone(),
    };
    assert_eq!(client.ask(show).await.unwrap_err().status(), 404);
    assert!(
        client
            .ask(List { account: account() })
            .await
            .unwrap()
            .jobs
            .is_empty()
    );
    for id in ["", "../counters", "0000000000000000", "counters"] {
        let show = Show {
            account: account(),
            id: id.to_owned(),
        };
        let refused = client.ask_as(show, administrator()).await.unwrap_err();
        assert_eq!(refused.status(), 404, "{id}");
    }
}

#[tokio::test]
async fn the_last_hundred_that_ended_are_kept() {
    let world = World::new();
    let client = world.open().await;
    client.make_container("c").await.unwrap();
    let mut last = None;
    for _ in 0..103 {
        let job = client.ask_as(run(false), administrator()).await.unwrap();
        ended(&client, &job).await;
        last = Some(job.id);
    }
    let jobs = list(&client).await;
    assert_eq!(jobs.len(), 100);
    assert_eq!(jobs.first().map(|(id, _)| id.clone()), last);
}
