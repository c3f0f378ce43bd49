use std::sync::atomic::AtomicBool;

use common::functional::record::Kept;
use common::functional::{Action, Answer, Reply, Request, object};
use common::name::ObjectName;

use super::*;
use crate::guard::record::ended;
use crate::testing::{Answering, account, container, context};

fn refused(id: u64) -> Ended {
    let path = object::Path {
        account: account(),
        container: container(),
        object: ObjectName::new("o").unwrap(),
    };
    let action = Action::from(object::Delete {
        path,
        if_delete_at: None,
    });
    let request = Request {
        action,
        context: context(),
        body: Body::empty(),
    };
    ended(&request, id, 403)
}

/// A recorder, whether the database is away, and the numbers that arrived.
fn recorder() -> (Arc<Recorder>, Arc<AtomicBool>, Arc<Mutex<Vec<u64>>>) {
    let (is_away, arrived) = (Arc::new(AtomicBool::new(true)), Arc::new(Mutex::new(Vec::new())));
    let (away, sink) = (Arc::clone(&is_away), Arc::clone(&arrived));
    let owner = Answering::with(move |action| match action {
        Action::RecordComplete(_) if away.load(Ordering::Relaxed) => Err(Outcome::Unavailable(None).into()),
        Action::RecordComplete(complete) => {
            sink.lock()
                .extend(complete.records.iter().map(|record| record.id));
            Ok(Reply::new(Answer::RecordComplete(Kept {})))
        }
        other => panic!("{other:?}"),
    });
    (Arc::new(Recorder::new(owner)), is_away, arrived)
}

#[tokio::test(start_paused = true)]
async fn while_the_database_is_away_a_bounded_number_waits() {
    let (recorder, is_away, arrived) = recorder();
    let sending = recorder.spawn();
    let all = MAX_WAITING as u64 + 17;
    for id in 0..all {
        recorder.note(refused(id));
        if id % 1000 == 0 {
            tokio::time::sleep(RETRY).await;
        }
    }
    assert!(arrived.lock().is_empty());
    is_away.store(false, Ordering::Relaxed);
    recorder.drain(Duration::from_secs(60)).await;
    sending.abort();
    let arrived = arrived.lock();
    assert!(arrived.is_sorted());
    assert_eq!(arrived[0], 0);
    assert_eq!(arrived.len() as u64 + recorder.dropped(), all);
    assert!(recorder.dropped() <= 17 + MAX_BATCH as u64);
}

#[tokio::test(start_paused = true)]
async fn the_end_waits_no_longer_than_it_may() {
    let (recorder, _is_away, arrived) = recorder();
    let sending = recorder.spawn();
    recorder.note(refused(1));
    recorder.drain(Duration::from_secs(5)).await;
    assert!(arrived.lock().is_empty());
    sending.abort();
}
