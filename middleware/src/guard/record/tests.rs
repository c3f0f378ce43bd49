use std::time::Duration;

use common::functional::record::{Complete, Kept, List, Page, Record};
use common::functional::{Caller, Identity, container, object, user};
use common::name::ObjectName;
use common::{Etag, Outcome, Secret, Timestamp};
use parking_lot::Mutex;

use super::*;
use crate::testing::{Answering, account, container as container_name, context};

/// What arrives at the account-server.
type Arrived = Arc<Mutex<Vec<Record>>>;

fn recorder() -> (Arc<Recorder>, Arrived) {
    let arrived = Arrived::default();
    let sink = Arc::clone(&arrived);
    let owner = Answering::with(move |action| match action {
        Action::RecordComplete(Complete { records }) => {
            sink.lock().extend(records);
            Ok(Reply::new(Answer::RecordComplete(Kept {})))
        }
        other => panic!("{other:?}"),
    });
    (Arc::new(Recorder::new(owner)), arrived)
}

fn filter(reads: bool, recorder: &Arc<Recorder>, inner: FunctionalService) -> RecordFilter {
    RecordFilter {
        tells: Arc::new(Tells {
            recorder: Arc::clone(recorder),
            numbers: Numbers::new(),
        }),
        reads,
        inner,
    }
}

async fn told(recorder: &Arc<Recorder>, arrived: &Arrived) -> Vec<Record> {
    let sending = recorder.spawn();
    recorder.drain(Duration::from_secs(5)).await;
    sending.abort();
    std::mem::take(&mut *arrived.lock())
}

fn path() -> object::Path {
    object::Path {
        account: account(),
        container: container_name(),
        object: ObjectName::new("o").unwrap(),
    }
}

fn get() -> Action {
    Action::from(object::Get {
        path: path(),
        conditions: common::conditions::Conditions::default(),
        ranges: None,
        open_expired: false,
    })
}

fn put() -> Action {
    Action::from(object::Put::new(path()))
}

fn request(action: impl Into<Action>) -> Request {
    let identity = Identity {
        user_id: 7,
        name: "test:tester".to_owned(),
        groups: Vec::new(),
        service_user_id: None,
    };
    let mut context = context();
    context.authority = common::functional::Authority::Caller(Caller::User(Arc::new(identity)));
    context.agent = Some("curl/8".into());
    Request {
        action: action.into(),
        context,
        body: Body::full("12345"),
    }
}

fn got() -> Reply {
    Reply {
        answer: Answer::ObjectGet(object::Got {
            info: object::Info::plain(3, "", Timestamp::default()),
            ranges: None,
        }),
        body: Body::full("abc"),
    }
}

/// Reads the body of a PUT, as an owner does, and answers it.
fn storing(seen: Arc<Mutex<Vec<Option<u64>>>>) -> FunctionalService {
    FunctionalService::new(tower::service_fn(move |mut request: Request| {
        seen.lock().push(request.context.record_id);
        async move {
            while request.body.chunk().await.is_some() {}
            let stored = object::Stored {
                etag: Etag::new(""),
                timestamp: Timestamp::default(),
                content_type: String::new(),
                is_current: true,
            };
            Ok(Reply::new(Answer::ObjectPut(stored)))
        }
    }))
}

#[tokio::test]
async fn a_change_is_told_under_the_number_that_its_owner_gets() {
    let (recorder, arrived) = recorder();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let filter = filter(false, &recorder, storing(Arc::clone(&seen)));
    filter.handle(request(put())).await.unwrap();
    filter.handle(request(put())).await.unwrap();
    let records = told(&recorder, &arrived).await;
    let ids: Vec<_> = records.iter().map(|record| Some(record.id)).collect();
    assert_eq!(*seen.lock(), ids);
    assert_ne!(ids[0], ids[1]);
    let record = &records[0];
    assert_eq!(record.user.as_deref(), Some("test:tester"));
    assert_eq!(
        (record.action.as_str(), record.path.as_str()),
        ("object/put", "AUTH_test/c/o")
    );
    assert_eq!((record.result, record.received, record.sent), (201, 5, 0));
    assert_eq!(record.account, Some(account()));
    assert_eq!(record.agent.as_deref(), Some("curl/8"));
    assert!(record.duration.is_some() && record.change.is_none());
}

#[tokio::test]
async fn refusals_are_told_and_reads_by_the_setting() {
    for reads in [false, true] {
        let (recorder, arrived) = recorder();
        let refusing = Answering::with(|action| match action {
            Action::ObjectGet(_) => Ok(got()),
            Action::ContainerHead(_) => Err(Error::forbidden()),
            _ => Err(Outcome::NotModified(Box::new(object::Info::plain(0, "", Timestamp::default()))).into()),
        });
        let filter = filter(reads, &recorder, refusing);
        let reply = filter.handle(request(get())).await.unwrap();
        reply.body.collect(100).await.unwrap();
        let head = container::Head {
            account: account(),
            container: container_name(),
        };
        filter.handle(request(head)).await.unwrap_err();
        let head = object::Head {
            path: path(),
            conditions: common::conditions::Conditions::default(),
            open_expired: false,
        };
        filter.handle(request(head)).await.unwrap_err();
        let records = told(&recorder, &arrived).await;
        let shown: Vec<_> = records
            .iter()
            .map(|record| (record.action.as_str(), record.result, record.sent))
            .collect();
        let refused = ("container/head", 403, 0);
        let all = [("object/get", 200, 3), refused, ("object/head", 304, 0)];
        assert_eq!(shown, if reads { &all[..] } else { &all[1..2] });
    }
}

#[tokio::test]
async fn a_part_of_another_request_is_told_when_it_is_refused() {
    let (recorder, arrived) = recorder();
    for inner in [Ok(got()), Err(Error::not_found())] {
        let inner = Mutex::new(Some(inner));
        let answering = Answering::with(move |_| inner.lock().take().unwrap());
        let filter = filter(true, &recorder, answering);
        let mut source = request(get());
        source.context.is_inner = true;
        drop(filter.handle(source).await);
    }
    let records = told(&recorder, &arrived).await;
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].result, 404);
}

#[tokio::test]
async fn a_question_is_told_when_it_is_refused_and_not_when_nobody_can_say() {
    let (recorder, arrived) = recorder();
    for outcome in [Outcome::Forbidden, Outcome::NotOwner, Outcome::Unavailable(None)] {
        let refusing = FunctionalService::from_fn(move |_| {
            Box::pin(std::future::ready(Err(Error::from(outcome.clone()))))
        });
        let mut question = request(put());
        question.context.is_question = true;
        let refused = filter(false, &recorder, refusing).handle(question).await;
        assert!(refused.is_err());
    }
    let told = told(&recorder, &arrived).await;
    let results: Vec<_> = told.iter().map(|record| record.result).collect();
    assert_eq!(results, [403]);
}

#[tokio::test]
async fn who_hung_up_is_told_too() {
    let (recorder, arrived) = recorder();
    let hanging = FunctionalService::new(tower::service_fn(|mut request: Request| async move {
        request.body.chunk().await;
        std::future::pending().await
    }));
    let uploads = filter(true, &recorder, hanging);
    let mut uploading = uploads.handle(request(put()));
    assert!(futures::poll!(&mut uploading).is_pending());
    drop(uploading);
    let downloads = filter(true, &recorder, Answering::with(|_| Ok(got())));
    drop(downloads.handle(request(get())).await.unwrap().body);
    let records = told(&recorder, &arrived).await;
    let shown: Vec<_> = records
        .iter()
        .map(|record| (record.action.as_str(), record.result, record.received))
        .collect();
    assert_eq!(shown, [("object/put", 499, 5), ("object/get", 499, 0)]);
}

#[tokio::test]
async fn of_a_program_only_names_are_told() {
    let (recorder, arrived) = recorder();
    let answering = Answering::with(|_| Ok(Reply::new(Answer::UserPut(user::Written { created: true }))));
    let filter = filter(false, &recorder, answering);
    let put: user::Put =
        serde_json::from_str(r#"{"account": "test", "name": "joe", "password": "a password"}"#).unwrap();
    assert_eq!(put.password, Secret::new("a password"));
    filter.handle(request(put)).await.unwrap();
    let records = told(&recorder, &arrived).await;
    assert_eq!(records[0].path, "test:joe");
    assert_eq!(records[0].account, None);
    assert!(!format!("{records:?}").contains("a password"));
}

#[tokio::test]
async fn who_reads_the_record_learns_what_it_lacks() {
    let (recorder, _) = recorder();
    let refusing = Answering::with(|action| match action {
        Action::RecordList(_) => Ok(Reply::new(Answer::RecordList(Page::default()))),
        _ => Err(Error::not_found()),
    });
    let filter = filter(false, &recorder, refusing);
    for _ in 0..10_003 {
        filter.handle(request(get())).await.unwrap_err();
    }
    let reply = filter.handle(request(List::default())).await.unwrap();
    let Answer::RecordList(page) = reply.answer else {
        panic!("{reply:?}")
    };
    assert_eq!(page.dropped, 3);
}

#[test]
fn numbers_are_never_given_twice() {
    let numbers = Numbers::new();
    let mut given: Vec<_> = (0..10_000).map(|_| numbers.next()).collect();
    given.sort_unstable();
    given.dedup();
    assert_eq!(given.len(), 10_000);
    assert!(given.iter().all(|id| (1..=i64::MAX.cast_unsigned()).contains(id)));
}

#[tokio::test]
async fn a_move_is_told_with_where_to() {
    let (recorder, arrived) = recorder();
    let refusing = Answering::with(|_| Err(Error::precondition_failed("it is there")));
    let destination = object::Path {
        object: ObjectName::new("there").unwrap(),
        ..path()
    };
    let rename = common::functional::fs::Move {
        source: path(),
        destination,
        overwrite: false,
    };
    let filter = filter(false, &recorder, refusing);
    filter.handle(request(rename)).await.unwrap_err();
    let records = told(&recorder, &arrived).await;
    assert_eq!(records.len(), 1);
    assert!(records[0].path.ends_with("/o"));
    assert_eq!(
        records[0].destination.as_deref(),
        Some(records[0].path.replace("/o", "/there").as_str())
    );
}
