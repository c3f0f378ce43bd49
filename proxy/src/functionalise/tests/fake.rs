//! The functional service behind the edge.

use common::functional::object::{self, Got, Info, Stored};
use common::functional::{self, Action, Answer, Reply, fs, job, quota, search};
use common::functional::{account as accounts, container as containers};
use common::range::{ByteRange, Resolved};
use common::{Etag, Timestamp};
use parking_lot::Mutex;

use super::*;

/// Answers like a server that has every account, container and object, each object being `0123456789`.
#[derive(Default)]
pub(super) struct Fake {
    pub(super) actions: Mutex<Vec<Action>>,
    pub(super) contexts: Mutex<Vec<Context>>,
    pub(super) refusal: Mutex<Option<Error>>,
    pub(super) reads_bodies: bool,
}

impl Fake {
    pub(super) async fn answer(&self, request: functional::Request) -> Result<Reply, Error> {
        self.actions.lock().push(request.action.clone());
        self.contexts.lock().push(request.context);
        if let Some(error) = self.refusal.lock().take() {
            return Err(error);
        }
        if self.reads_bodies {
            let mut body = request.body;
            while let Some(chunk) = body.chunk().await {
                chunk.map_err(|error| Error::internal(error.to_string()))?;
            }
        }
        let written = |created| containers::Written { created };
        let answer = match request.action {
            Action::AccountHead(_) => Answer::AccountHead(account_info()),
            Action::AccountList(_) => Answer::AccountList(accounts::Listing {
                info: account_info(),
                entries: Vec::new(),
            }),
            Action::AccountPut(_) => Answer::AccountPut(accounts::Written { created: true }),
            Action::AccountPost(_) => Answer::AccountPost(accounts::Written { created: false }),
            Action::AccountDelete(_) => Answer::AccountDelete(accounts::Written { created: false }),
            Action::ContainerHead(_) => Answer::ContainerHead(container_info()),
            Action::ContainerList(_) => Answer::ContainerList(containers::Listing {
                info: container_info(),
                entries: vec![containers::Entry::Subdir("d/".into())],
            }),
            Action::ContainerPut(put) => Answer::ContainerPut(written(put.container.as_str() == "new")),
            Action::ContainerPost(_) => Answer::ContainerPost(written(false)),
            Action::ContainerDelete(_) => Answer::ContainerDelete(written(false)),
            Action::ObjectHead(_) => Answer::ObjectHead(object_info()),
            Action::ObjectGet(get) => return got(&get),
            Action::ObjectPut(put) => Answer::ObjectPut(stored(put.content_type)),
            Action::ObjectPost(_) => Answer::ObjectPost(object::Posted {}),
            Action::ObjectDelete(_) => Answer::ObjectDelete(object::Deleted {}),
            Action::ObjectCopy(copy) => Answer::ObjectCopy(object::Copied {
                stored: stored(copy.destination.content_type),
                source: copy.source.path,
                source_info: object_info(),
                properties: object_info().properties,
                delete_at: Some(Timestamp::from_seconds(2_000_000_000)),
            }),
            other => of_trees(other),
        };
        Ok(Reply::new(answer))
    }
}

/// The answers to what is asked of directories, searches and jobs.
fn of_trees(action: Action) -> Answer {
    match action {
        Action::FsMakeDirectory(_) => Answer::FsMakeDirectory(fs::MadeDirectory {}),
        Action::FsMove(_) => Answer::FsMove(fs::Moved::Done { replaced: false }),
        Action::FsRemoveDirectory(_) => Answer::FsRemoveDirectory(fs::RemovedDirectory {
            objects: 3,
            bytes: 14,
        }),
        Action::FsTree(tree) => Answer::FsTree(fs::TreeNode {
            name: tree.container.to_string(),
            kind: fs::TreeKind::Container,
            objects: 3,
            bytes: 14,
            quota: None,
            children: None,
            next: None,
        }),
        Action::SearchFind(_) => Answer::SearchFind(search::Found {
            results: Vec::new(),
            cursor: None,
        }),
        Action::QuotaSet(set) => {
            let limits = common::quota::Limits::default();
            Answer::QuotaSet(quota::Quota::new(set.account, set.container, (0, 0), limits))
        }
        Action::FsCopyDirectory(copy) => Answer::FsCopyDirectory(queued(copy.source.account)),
        Action::JobShow(show) => Answer::JobShow(queued(show.account)),
        Action::JobList(list) => Answer::JobList(job::Jobs {
            jobs: vec![queued(list.account)],
        }),
        Action::JobCancel(cancel) => Answer::JobCancel(queued(cancel.account)),
        other => panic!("{} is not asked by the edge", other.name()),
    }
}

fn queued(account: common::name::AccountName) -> job::Job {
    job::Job {
        id: "00000000000000ff".into(),
        account,
        kind: "copy".into(),
        source: None,
        destination: None,
        state: job::State::Queued,
        done: 0,
        total: None,
        bytes: 0,
        errors: 0,
        error: None,
        created: Timestamp::from_seconds(1_600_000_000),
        ended: None,
        report: None,
    }
}

fn account_info() -> accounts::Info {
    let mut properties = common::Properties::new();
    properties.insert("x-account-meta-colour", "blue");
    properties.insert("x-account-sysmeta-secret", "x");
    accounts::Info {
        created: Timestamp::from_seconds(1_600_000_000),
        containers: 2,
        objects: 3,
        bytes: 14,
        properties,
    }
}

fn container_info() -> containers::Info {
    containers::Info {
        created: Timestamp::from_seconds(1_600_000_000),
        last_modified: Timestamp::from_units(160_000_000_100_001),
        objects: 3,
        bytes: 14,
        storage_policy: "default".into(),
        properties: common::Properties::new(),
    }
}

pub(super) fn object_info() -> Info {
    let mut info = Info::plain(10, MD5, Timestamp::from_units(160_000_000_000_001));
    info.content_type = "text/plain; charset=x".into();
    info.properties.insert("x-object-meta-colour", "blue");
    info.properties.insert("content-encoding", "gzip");
    info.delete_at = Some(Timestamp::from_seconds(2_000_000_000));
    info
}

fn stored(content_type: Option<String>) -> Stored {
    Stored {
        etag: Etag::new(MD5),
        timestamp: Timestamp::from_units(160_000_000_000_001),
        content_type: content_type.unwrap_or_default(),
        is_current: true,
    }
}

fn got(get: &object::Get) -> Result<Reply, Error> {
    const BYTES: &[u8] = b"0123456789";
    let slice = |range: &ByteRange| &BYTES[range.first as usize..=range.last as usize];
    let (ranges, body) = match get.ranges.as_ref().map(|ranges| ranges.resolve(10)) {
        None | Some(Resolved::Whole) => (None, BYTES.to_vec()),
        Some(Resolved::Parts(parts)) => {
            let body = parts.iter().flat_map(slice).copied().collect();
            (Some(parts), body)
        }
        Some(Resolved::Unsatisfiable) => {
            return Err(Outcome::RangeNotSatisfiable(Box::new(object_info())).into());
        }
    };
    Ok(Reply {
        answer: Answer::ObjectGet(Got {
            info: object_info(),
            ranges,
        }),
        body: Body::full(body),
    })
}
