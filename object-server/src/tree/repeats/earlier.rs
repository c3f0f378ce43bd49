//! What an owner that has ended had done: the journal tells of it, and the jobs that were begun.

use std::time::Duration;

use common::functional::fs::{MadeDirectory, Moved, RemovedDirectory};
use common::functional::job::Job;
use common::functional::{Action, Answer, Context};
use common::{Clock, Timestamp};
use tokio::time::Instant;

use super::{KEPT, Kept, MAX_KEPT, Place, Repeats, key_of, request_number};
use crate::journal::{Kind, Position, Record};

impl Repeats {
    /// Remembers what the journal says was made in the last minute.
    pub(crate) fn remember(&self, position: Position, kind: &Kind) {
        let Some((record, answer)) = answered(kind) else {
            return;
        };
        let (Some(repeat), Some(since)) = (&record.repeat, since(record.time)) else {
            return;
        };
        self.keep(Kept {
            since,
            transaction_id: record.transaction_id.clone(),
            key: record.user_id.zip(repeat.key.clone()),
            request: repeat.request,
            position: Some(position),
            answer: place(answer),
        });
    }

    /// Remembers a job that was begun in the last minute, as it was when it was answered with.
    pub(crate) fn remember_job(&self, request: &Action, context: &Context, job: Job) {
        let answer = match request {
            Action::FsMove(_) => Answer::FsMove(Moved::Job(Box::new(job))),
            Action::FsCopyDirectory(_) => Answer::FsCopyDirectory(job),
            _ => return,
        };
        let (Some(since), Ok(request)) = (since(context.timestamp), request_number(request)) else {
            return;
        };
        self.keep(Kept {
            since,
            transaction_id: context.transaction_id.clone(),
            key: key_of(context),
            request,
            position: None,
            answer: place(answer),
        });
    }

    /// Where the journal begins to tell of answers that are still kept.
    pub(crate) fn oldest_needed(&self) -> Option<Position> {
        let kept = self.kept.lock();
        let young = kept.iter().filter(|kept| kept.since.elapsed() <= KEPT);
        young.filter_map(|kept| kept.position).min()
    }

    fn keep(&self, answered: Kept) {
        let mut kept = self.kept.lock();
        if kept.len() >= MAX_KEPT {
            kept.pop_front();
        }
        kept.push_back(answered);
    }
}

/// What the request was answered with of which this was made.
fn answered(kind: &Kind) -> Option<(&Record, Answer)> {
    let (record, answer) = match kind {
        Kind::Commit { record, .. } if record.action == "fs/make_directory" => {
            (record, Answer::FsMakeDirectory(MadeDirectory {}))
        }
        Kind::Moved { what, .. } if what.record.action == "fs/move" => {
            let replaced = what.record.result == 204;
            (&what.record, Answer::FsMove(Moved::Done { replaced }))
        }
        Kind::Detached { what, .. } if what.record.action == "fs/remove_directory" => {
            let removed = RemovedDirectory {
                objects: what.removed.objects,
                bytes: what.removed.bytes,
            };
            (&what.record, Answer::FsRemoveDirectory(removed))
        }
        _ => return None,
    };
    Some((record, answer))
}

fn place(answer: Answer) -> Place {
    Place::new(tokio::sync::Mutex::new(Some(Ok(answer))))
}

/// When what was asked for then was asked for; `None`: too long ago.
fn since(time: Timestamp) -> Option<Instant> {
    let age = Clock::now().units().saturating_sub(time.units());
    let age = Duration::from_micros(age.saturating_mul(10));
    (age <= KEPT).then(|| Instant::now().checked_sub(age).unwrap_or_else(Instant::now))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use common::Error;
    use common::functional::fs::Move;
    use common::functional::object::Path;
    use common::functional::{Authority, Caller, Identity};

    use super::*;
    use crate::journal::{self, Footprint};
    use crate::node::{NodePath, WriteId};
    use crate::owner::record;

    fn path(name: &str) -> Path {
        Path::new("a", "c", name).unwrap()
    }

    fn rename(overwrite: bool) -> Action {
        Move {
            source: path("d/"),
            destination: path("e/"),
            overwrite,
        }
        .into()
    }

    fn asked(action: &Action, key: &str, transaction: &str, time: Timestamp) -> Context {
        let identity = Identity {
            user_id: 7,
            name: "a:u".into(),
            groups: Vec::new(),
            service_user_id: None,
        };
        Context {
            authority: Authority::Caller(Caller::User(Arc::new(identity))),
            repeat_key: Some(key.into()),
            request: request_number(action).ok(),
            ..Context::internal(transaction, time)
        }
    }

    fn moved(context: &Context, result: u16) -> Kind {
        let node = |name| NodePath::Directory(path(name).container, path(name).object);
        Kind::Moved {
            id: WriteId(1),
            seq: 1,
            what: journal::Move {
                from: node("d/"),
                to: node("e/"),
                identity: 1,
                moved: Footprint::default(),
                replaced: Footprint::default(),
                record: Arc::new(record(context, "fs/move", result, 0)),
            },
        }
    }

    async fn status(repeats: &Repeats, context: &Context) -> Result<Answer, u16> {
        let work = async { Err(Error::conflict("done once more")) };
        let answer = repeats.once(context, Position::default(), work).await;
        answer.map_err(|error| error.status().as_u16())
    }

    #[tokio::test]
    async fn what_the_journal_says_was_made_is_answered_again() {
        for result in [201, 204] {
            let (repeats, now) = (Repeats::default(), Clock::now());
            let action = rename(true);
            repeats.remember(
                Position::default(),
                &moved(&asked(&action, "k", "tx1", now), result),
            );
            let replaced = result == 204;
            let answer = Ok(Answer::FsMove(Moved::Done { replaced }));
            assert_eq!(status(&repeats, &asked(&action, "k", "tx2", now)).await, answer);
            assert_eq!(status(&repeats, &asked(&action, "l", "tx1", now)).await, answer);
            assert_eq!(status(&repeats, &asked(&action, "l", "tx3", now)).await, Err(409));
            let other = rename(false);
            assert_eq!(status(&repeats, &asked(&other, "k", "tx1", now)).await, Err(409));
            assert_eq!(repeats.oldest_needed(), Some(Position::default()));
        }
    }

    #[tokio::test]
    async fn what_was_made_long_ago_is_forgotten() {
        let (repeats, now) = (Repeats::default(), Clock::now());
        let long_ago = Timestamp::from_seconds(now.seconds() - 61);
        let action = rename(true);
        repeats.remember(
            Position::default(),
            &moved(&asked(&action, "k", "tx1", long_ago), 201),
        );
        assert_eq!(repeats.oldest_needed(), None);
        assert_eq!(status(&repeats, &asked(&action, "k", "tx1", now)).await, Err(409));
    }
}
