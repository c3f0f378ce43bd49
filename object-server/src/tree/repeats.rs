//! Tree operations are not idempotent: who asks again because no answer came is given the one that was on its way.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use common::functional::{Action, Answer, Context};
use common::{Error, Outcome};
use parking_lot::Mutex;
use tokio::time::Instant;

/// So long an answer is kept.
const KEPT: Duration = Duration::from_secs(60);

/// So many answers are kept.
const MAX_KEPT: usize = 1024;

/// The answers of the last minute.
#[derive(Debug, Default)]
pub(crate) struct Repeats(Mutex<VecDeque<Kept>>);

#[derive(Debug)]
struct Kept {
    since: Instant,
    transaction_id: Arc<str>,
    action: Action,
    /// Locked while it is being worked on.
    answer: Place,
}

type Place = Arc<tokio::sync::Mutex<Option<Result<Answer, (Outcome, Option<String>)>>>>;

impl Repeats {
    /// Does `work`, unless it was done a moment ago for the same transaction.
    ///
    /// # Errors
    /// As `work` has them; the same again, when it was refused for good.
    pub(crate) async fn once(
        &self,
        action: Action,
        context: &Context,
        work: impl Future<Output = Result<Answer, Error>> + Send,
    ) -> Result<Answer, Error> {
        let place = self.place(action, context, Instant::now());
        let mut answer = place.lock().await;
        match answer.clone() {
            Some(Ok(answer)) => return Ok(answer),
            Some(Err((outcome, text))) => {
                let error = Error::from(outcome);
                return Err(match text {
                    Some(text) => error.with_text(text),
                    None => error,
                });
            }
            None => {}
        }
        let done = work.await;
        *answer = match &done {
            Ok(done) => Some(Ok(done.clone())),
            Err(error) if is_final(error) => {
                Some(Err((error.outcome().clone(), error.text().map(str::to_owned))))
            }
            Err(_) => None,
        };
        done
    }

    fn place(&self, action: Action, context: &Context, now: Instant) -> Place {
        let mut kept = self.0.lock();
        while kept.front().is_some_and(|first| now - first.since > KEPT) || kept.len() > MAX_KEPT {
            kept.pop_front();
        }
        let same = |kept: &&Kept| kept.transaction_id == context.transaction_id && kept.action == action;
        if let Some(same) = kept.iter().rev().find(same) {
            return Arc::clone(&same.answer);
        }
        let answer = Place::default();
        kept.push_back(Kept {
            since: now,
            transaction_id: Arc::clone(&context.transaction_id),
            action,
            answer: Arc::clone(&answer),
        });
        answer
    }
}

/// Whether asking once more is to be answered in the same way.
fn is_final(error: &Error) -> bool {
    error.status().is_client_error() && !matches!(error.outcome(), Outcome::Stale(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::Timestamp;
    use common::functional::fs::{MadeDirectory, MakeDirectory};
    use common::functional::object::Path;
    use common::name::{AccountName, ContainerName, ObjectName};

    fn action(name: &str) -> Action {
        let path = Path {
            account: AccountName::new("a").unwrap(),
            container: ContainerName::new("c").unwrap(),
            object: ObjectName::new(name).unwrap(),
        };
        let create_parents = false;
        MakeDirectory { path, create_parents }.into()
    }

    fn context(transaction_id: &str) -> Context {
        Context::internal(transaction_id, Timestamp::default())
    }

    #[tokio::test]
    async fn who_asks_again_is_given_the_same_answer_for_a_minute() {
        let repeats = Repeats::default();
        let made = Answer::FsMakeDirectory(MadeDirectory {});
        let first = repeats
            .once(action("d/"), &context("tx1"), async { Ok(made.clone()) })
            .await;
        assert_eq!(first.unwrap(), made);
        let refuse = async || Err(Error::conflict("no"));
        let again = repeats.once(action("d/"), &context("tx1"), refuse()).await;
        assert_eq!(again.unwrap(), made);
        for (name, transaction) in [("e/", "tx1"), ("d/", "tx2")] {
            let other = repeats
                .once(action(name), &context(transaction), refuse())
                .await
                .unwrap_err();
            assert_eq!((other.status().as_u16(), other.text()), (409, Some("no")));
            let again = repeats
                .once(action(name), &context(transaction), async { Ok(made.clone()) })
                .await;
            assert_eq!(again.unwrap_err().text(), Some("no"));
        }
        let later = repeats.place(action("d/"), &context("tx1"), Instant::now() + KEPT * 2);
        assert!(later.lock().await.is_none());
    }

    #[tokio::test]
    async fn what_failed_is_tried_again() {
        let repeats = Repeats::default();
        let fail = async { Err(Error::unavailable("away", None)) };
        assert!(repeats.once(action("d/"), &context("tx"), fail).await.is_err());
        let made = Answer::FsMakeDirectory(MadeDirectory {});
        let again = repeats
            .once(action("d/"), &context("tx"), async { Ok(made.clone()) })
            .await;
        assert_eq!(again.unwrap(), made);
    }

    #[tokio::test]
    async fn no_more_than_so_many_are_kept() {
        let repeats = Repeats::default();
        let made = Answer::FsMakeDirectory(MadeDirectory {});
        for number in 0..MAX_KEPT + 10 {
            let name = format!("{number}/");
            let done = repeats
                .once(action(&name), &context("tx"), async { Ok(made.clone()) })
                .await;
            done.unwrap();
        }
        assert!(repeats.0.lock().len() <= MAX_KEPT + 1);
    }
}
