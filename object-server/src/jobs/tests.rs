use common::Timestamp;
use common::functional::Context;
use common::functional::job::{Job, State};
use common::name::AccountName;
use common::service::FunctionalService;
use tempfile::TempDir;

use super::*;

const WRITERS: u64 = 16;
const TIMES: usize = 8;

fn stored(done: u64) -> Stored {
    Stored {
        job: Job {
            id: "0123456789abcdef".to_owned(),
            account: AccountName::new("a").unwrap(),
            kind: Work::Rebuild.kind().to_owned(),
            source: None,
            destination: None,
            state: State::Running,
            done,
            total: None,
            bytes: 0,
            errors: 0,
            error: None,
            created: Timestamp::default(),
            ended: None,
            report: None,
        },
        account_id: 7,
        work: Work::Rebuild,
        context: Context::internal("tx", Timestamp::default()),
    }
}

/// As a copy writes its mark down while its progress is.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_many_write_down_at_once_is_always_whole() {
    let state = TempDir::new().unwrap();
    let guards = FunctionalService::from_fn(|_| Box::pin(std::future::ready(Err(Error::forbidden()))));
    let jobs = Jobs::new(state.path().to_owned(), Lease::default(), guards);
    let jobs = Arc::new(jobs);
    let writers = (0..WRITERS).map(|done| {
        let jobs = Arc::clone(&jobs);
        tokio::spawn(async move {
            for _ in 0..TIMES {
                let stored = stored(done);
                let (account_id, id) = (stored.account_id, stored.job.id.clone());
                jobs.write_down(stored).await.unwrap();
                let read = store::load(&jobs.state_directory, account_id, &id).await.unwrap();
                assert!(read.is_some_and(|read| read.job.done < WRITERS));
            }
        })
    });
    for writer in futures::future::join_all(writers).await {
        writer.unwrap();
    }
}
