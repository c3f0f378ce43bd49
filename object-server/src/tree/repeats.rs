//! Tree operations are not idempotent: who asks again because no answer came is given the one that was on its way.
//!
//! That is who asks in the same transaction, as a proxy does whose connection broke off; or the same user with the same key of
//! their own. What was done by an owner that has ended is in the journal, or is a job (`repeats/earlier.rs`). Of all else nobody
//! knows whether it was answered: a proxy is told so.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use common::functional::{Action, Answer, Caller, Context};
use common::{Error, Outcome};
use md5::{Digest as _, Md5};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::journal::Position;

mod earlier;

/// So long an answer is kept.
const KEPT: Duration = Duration::from_secs(60);

/// So many answers are kept.
const MAX_KEPT: usize = 1024;

/// When proxies may ask again what nobody knows an answer to.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The answers of the last minute.
#[derive(Debug)]
pub(crate) struct Repeats {
    kept: Mutex<VecDeque<Kept>>,
    /// What was answered before nobody knows.
    begun: Instant,
}

#[derive(Debug)]
struct Kept {
    since: Instant,
    transaction_id: Arc<str>,
    /// The user and the key that the user gave.
    key: Option<(u64, Arc<str>)>,
    /// See [`request_number`].
    request: u64,
    /// Not behind what the journal has of it, if that has anything.
    position: Option<Position>,
    /// Locked while it is being worked on.
    answer: Place,
}

type Place = Arc<tokio::sync::Mutex<Option<Result<Answer, (Outcome, Option<String>)>>>>;

impl Repeats {
    /// Does `work`, unless it was done a moment ago for the same transaction. `begun` is where the journal stood before.
    ///
    /// # Errors
    /// As `work` has them; the same again, when it was refused for good.
    pub(crate) async fn once(
        &self,
        context: &Context,
        begun: Position,
        work: impl Future<Output = Result<Answer, Error>> + Send,
    ) -> Result<Answer, Error> {
        let place = self.place(context, begun, Instant::now())?;
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

    /// Where the answer is kept, or will be.
    ///
    /// # Errors
    /// 503 when it may have been given by somebody who has ended.
    fn place(&self, context: &Context, begun: Position, now: Instant) -> Result<Place, Error> {
        let key = key_of(context);
        let request = context.request.unwrap_or_default();
        let mut kept = self.kept.lock();
        while kept.front().is_some_and(|first| now - first.since > KEPT) || kept.len() > MAX_KEPT {
            kept.pop_front();
        }
        let same = |kept: &&Kept| {
            let is_asker = kept.transaction_id == context.transaction_id || key.is_some() && kept.key == key;
            is_asker && kept.request == request
        };
        if let Some(same) = kept.iter().rev().find(same) {
            return Ok(Arc::clone(&same.answer));
        }
        if context.is_repeated && now - self.begun < KEPT {
            let why = "nobody knows whether this was done just before the server started";
            return Err(Error::unavailable(why, Some(RETRY_AFTER)));
        }
        let answer = Place::default();
        kept.push_back(Kept {
            since: now,
            transaction_id: Arc::clone(&context.transaction_id),
            key,
            request,
            position: Some(begun),
            answer: Arc::clone(&answer),
        });
        Ok(answer)
    }
}

/// What tells a request from all others: 64 bits of the MD5 of its JSON.
///
/// # Errors
/// When there is no JSON of it.
pub(crate) fn request_number(action: &Action) -> Result<u64, Error> {
    let json = serde_json::to_vec(action).map_err(Error::internal)?;
    let digest = Md5::digest(json);
    let first = digest.iter().take(8).rev();
    Ok(first.fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

impl Default for Repeats {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            begun: Instant::now(),
        }
    }
}

/// A key means something together with its user only: nobody is given another one's answer.
fn key_of(context: &Context) -> Option<(u64, Arc<str>)> {
    match context.authority.caller() {
        Caller::User(identity) => Some((identity.user_id, context.repeat_key.clone()?)),
        Caller::Anonymous => None,
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
    use common::functional::{Authority, Identity};

    fn action(name: &str) -> Action {
        let path = Path::new("a", "c", name).unwrap();
        let create_parents = false;
        MakeDirectory { path, create_parents }.into()
    }

    fn context(transaction_id: &str) -> Context {
        Context::internal(transaction_id, Timestamp::default())
    }

    async fn once(
        repeats: &Repeats,
        action: Action,
        context: &Context,
        work: impl Future<Output = Result<Answer, Error>> + Send,
    ) -> Result<Answer, Error> {
        let request = Some(request_number(&action).unwrap());
        let context = Context {
            request,
            ..context.clone()
        };
        repeats.once(&context, Position::default(), work).await
    }

    #[tokio::test]
    async fn who_asks_again_is_given_the_same_answer_for_a_minute() {
        let repeats = Repeats::default();
        let made = Answer::FsMakeDirectory(MadeDirectory {});
        let first = once(&repeats, action("d/"), &context("tx1"), async {
            Ok(made.clone())
        })
        .await;
        assert_eq!(first.unwrap(), made);
        let refuse = async || Err(Error::conflict("no"));
        let again = once(&repeats, action("d/"), &context("tx1"), refuse()).await;
        assert_eq!(again.unwrap(), made);
        for (name, transaction) in [("e/", "tx1"), ("d/", "tx2")] {
            let other = once(&repeats, action(name), &context(transaction), refuse())
                .await
                .unwrap_err();
            assert_eq!((other.status().as_u16(), other.text()), (409, Some("no")));
            let again = once(&repeats, action(name), &context(transaction), async {
                Ok(made.clone())
            })
            .await;
            assert_eq!(again.unwrap_err().text(), Some("no"));
        }
        let asked = Context {
            request: request_number(&action("d/")).ok(),
            ..context("tx1")
        };
        let later = repeats
            .place(&asked, Position::default(), Instant::now() + KEPT * 2)
            .unwrap();
        assert!(later.lock().await.is_none());
    }

    #[tokio::test]
    async fn a_key_is_known_by_its_user_only() {
        let repeats = Repeats::default();
        let asks = |user_id: Option<u64>, key: Option<&str>, transaction: &str| Context {
            authority: Authority::Caller(match user_id {
                None => Caller::Anonymous,
                Some(user_id) => Caller::User(Arc::new(Identity {
                    user_id,
                    name: "a:u".into(),
                    groups: Vec::new(),
                    service_user_id: None,
                })),
            }),
            repeat_key: key.map(Arc::from),
            ..context(transaction)
        };
        let made = Answer::FsMakeDirectory(MadeDirectory {});
        let first = asks(Some(1), Some("k"), "tx1");
        let done = once(&repeats, action("d/"), &first, async { Ok(made.clone()) });
        assert_eq!(done.await.unwrap(), made);
        let refuse = async || Err(Error::conflict("no"));
        let again = asks(Some(1), Some("k"), "tx2");
        let again = once(&repeats, action("d/"), &again, refuse()).await;
        assert_eq!(again.unwrap(), made);
        for other in [
            asks(Some(2), Some("k"), "tx3"),
            asks(Some(1), Some("l"), "tx4"),
            asks(Some(1), None, "tx5"),
            asks(None, Some("k"), "tx6"),
            asks(None, Some("k"), "tx7"),
        ] {
            let other = once(&repeats, action("d/"), &other, refuse()).await;
            assert_eq!(other.unwrap_err().text(), Some("no"));
        }
    }

    #[tokio::test]
    async fn who_may_have_been_answered_by_another_process_is_not_answered() {
        let mut repeats = Repeats::default();
        let repeated = Context {
            is_repeated: true,
            ..context("tx1")
        };
        let made = Answer::FsMakeDirectory(MadeDirectory {});
        let unknown = once(&repeats, action("d/"), &repeated, async { Ok(made.clone()) });
        assert_eq!(
            unknown.await.unwrap_err().outcome(),
            &Outcome::Unavailable(Some(1))
        );
        repeats.begun -= KEPT;
        let done = once(&repeats, action("d/"), &repeated, async { Ok(made.clone()) });
        assert_eq!(done.await.unwrap(), made);
    }

    #[tokio::test]
    async fn what_failed_is_tried_again() {
        let repeats = Repeats::default();
        let fail = async { Err(Error::unavailable("away", None)) };
        assert!(once(&repeats, action("d/"), &context("tx"), fail).await.is_err());
        let made = Answer::FsMakeDirectory(MadeDirectory {});
        let again = once(&repeats, action("d/"), &context("tx"), async { Ok(made.clone()) }).await;
        assert_eq!(again.unwrap(), made);
    }

    #[tokio::test]
    async fn no_more_than_so_many_are_kept() {
        let repeats = Repeats::default();
        let made = Answer::FsMakeDirectory(MadeDirectory {});
        for number in 0..MAX_KEPT + 10 {
            let name = format!("{number}/");
            let done = once(&repeats, action(&name), &context("tx"), async {
                Ok(made.clone())
            })
            .await;
            done.unwrap();
        }
        assert!(repeats.kept.lock().len() <= MAX_KEPT + 1);
    }
}
