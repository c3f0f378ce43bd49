//! What is told of one request.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::functional::fs::Moved;
use common::functional::record::{MAX_AGENT, MAX_TRANSACTION_ID, Record, cut};
use common::functional::{Action, Answer, Authority, Caller, Request, object};
use common::name::{AccountName, ContainerName};
use common::{Clock, Timestamp};

/// Numbers of records: no process gives one twice, and two processes hardly the same.
pub(super) struct Numbers {
    next: AtomicU64,
}

/// Who does what to what. Made for every request, so it only counts references.
pub(super) struct Operation {
    transaction_id: Arc<str>,
    authority: Authority,
    time: Timestamp,
    address: Option<IpAddr>,
    agent: Option<Arc<str>>,
    action: &'static str,
    subject: Subject,
    /// Where to, of what has a destination.
    destination: Option<object::Path>,
}

/// What something is done to.
enum Subject {
    Account(AccountName),
    Container(AccountName, ContainerName),
    Object(object::Path),
    /// In this account if in any, under this path.
    Other(Option<AccountName>, String),
}

/// A request that is over.
pub(crate) struct Ended {
    operation: Operation,
    id: u64,
    result: u16,
    received: u64,
    sent: u64,
    /// In units of 10 µs.
    duration: u64,
}

/// The status that the client is answered with.
pub(super) fn status_of(answer: &Answer) -> u16 {
    let made = |created| if created { 201 } else { 202 };
    match answer {
        Answer::ObjectPut(stored) => made(stored.is_current),
        Answer::ObjectPost(_) => 202,
        Answer::ObjectGet(got) if got.ranges.is_some() => 206,
        Answer::ContainerPut(written) => made(written.created),
        Answer::AccountPut(written) => made(written.created),
        Answer::ObjectDelete(_)
        | Answer::ContainerPost(_)
        | Answer::ContainerDelete(_)
        | Answer::ContainerHead(_)
        | Answer::AccountPost(_)
        | Answer::AccountDelete(_)
        | Answer::AccountHead(_)
        | Answer::FsRemoveDirectory(_) => 204,
        Answer::FsMakeDirectory(_) => 201,
        Answer::FsMove(Moved::Done { replaced: true }) => 204,
        Answer::FsMove(Moved::Done { replaced: false }) => 201,
        Answer::FsMove(Moved::Job(_)) | Answer::FsCopyDirectory(_) => 202,
        _ => 200,
    }
}

impl Numbers {
    /// Beginning anywhere.
    pub(super) fn new() -> Self {
        // Without random numbers from the system nobody can log in either; the time will do here.
        let seed = getrandom::u64().unwrap_or_else(|_| Clock::now().units());
        Self {
            next: AtomicU64::new(seed),
        }
    }

    /// A number of 63 bits that is not 0: a counter, mixed so that it looks random (the finaliser of SplitMix64).
    pub(super) fn next(&self) -> u64 {
        let number = self.next.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((number ^ (number >> 31)) >> 1).max(1)
    }
}

impl Operation {
    pub(super) fn of(request: &Request) -> Self {
        let context = &request.context;
        Self {
            transaction_id: Arc::clone(&context.transaction_id),
            authority: context.authority.clone(),
            time: context.timestamp,
            address: context.address,
            agent: context.agent.clone(),
            action: request.action.name(),
            subject: Subject::of(&request.action),
            destination: match &request.action {
                Action::FsMove(rename) => Some(rename.destination.clone()),
                Action::FsCopyDirectory(copy) => Some(copy.destination.clone()),
                _ => None,
            },
        }
    }

    pub(super) fn end(self, id: u64, result: u16, received: u64, sent: u64) -> Ended {
        let duration = Clock::now().units().saturating_sub(self.time.units());
        Ended {
            operation: self,
            id,
            result,
            received,
            sent,
            duration,
        }
    }
}

impl Subject {
    fn of(action: &Action) -> Self {
        let container = |account: &AccountName, container: &ContainerName| {
            Self::Container(account.clone(), container.clone())
        };
        match action {
            Action::AccountHead(head) => Self::Account(head.account.clone()),
            Action::AccountList(list) => Self::Account(list.account.clone()),
            Action::AccountPut(put) => Self::Account(put.account.clone()),
            Action::AccountPost(post) => Self::Account(post.account.clone()),
            Action::AccountDelete(delete) => Self::Account(delete.account.clone()),
            Action::ContainerHead(head) => container(&head.account, &head.container),
            Action::ContainerList(list) => container(&list.account, &list.container),
            Action::ContainerPut(put) => container(&put.account, &put.container),
            Action::ContainerPost(post) => container(&post.account, &post.container),
            Action::ContainerDelete(delete) => container(&delete.account, &delete.container),
            Action::ObjectHead(head) => Self::Object(head.path.clone()),
            Action::ObjectGet(get) => Self::Object(get.path.clone()),
            Action::ObjectPut(put) => Self::Object(put.path.clone()),
            Action::ObjectPost(post) => Self::Object(post.path.clone()),
            Action::ObjectDelete(delete) => Self::Object(delete.path.clone()),
            Action::FsMakeDirectory(make) => Self::Object(make.path.clone()),
            Action::FsMove(rename) => Self::Object(rename.source.clone()),
            Action::FsCopyDirectory(copy) => Self::Object(copy.source.clone()),
            Action::FsRemoveDirectory(remove) => Self::Object(remove.path.clone()),
            Action::FsTree(tree) => match &tree.directory {
                Some(directory) => Self::Object(object::Path {
                    account: tree.account.clone(),
                    container: tree.container.clone(),
                    object: directory.clone(),
                }),
                None => container(&tree.account, &tree.container),
            },
            Action::SearchFind(find) => match (&find.account, &find.container) {
                (Some(of), Some(name)) => container(of, name),
                (of, _) => Self::Other(
                    of.clone(),
                    of.as_ref().map(ToString::to_string).unwrap_or_default(),
                ),
            },
            other => Self::of_system(other),
        }
    }

    /// What a program's request names: a user, or a resource. Nothing else of its arguments is looked at, for there are
    /// passwords among them.
    fn of_system(action: &Action) -> Self {
        let arguments = serde_json::to_value(action).unwrap_or_default();
        let arguments = arguments.get(action.name());
        let text = |name: &str| arguments?.get(name)?.as_str();
        let Some(account) = text("account") else {
            return Self::Other(None, text("email").unwrap_or_default().to_owned());
        };
        if let Some(name) = text("name") {
            return Self::Other(None, format!("{account}:{name}"));
        }
        let parts = [Some(account), text("container"), text("object")];
        let path: Vec<_> = parts.into_iter().map_while(|part| part).collect();
        Self::Other(AccountName::new(account).ok(), path.join("/"))
    }

    fn account(&self) -> Option<&AccountName> {
        match self {
            Self::Account(account) | Self::Container(account, _) => Some(account),
            Self::Object(path) => Some(&path.account),
            Self::Other(account, _) => account.as_ref(),
        }
    }

    fn path(&self) -> String {
        match self {
            Self::Account(account) => account.to_string(),
            Self::Container(account, container) => format!("{account}/{container}"),
            Self::Object(path) => whole_name(path),
            Self::Other(_, path) => path.clone(),
        }
    }
}

impl Ended {
    pub(crate) fn to_record(&self) -> Record {
        let operation = &self.operation;
        let user = match operation.authority.caller() {
            Caller::User(identity) => Some(identity.name.clone()),
            Caller::Anonymous => None,
        };
        Record {
            time: operation.time,
            id: self.id,
            account: operation.subject.account().cloned(),
            change: None,
            user,
            action: operation.action.to_owned(),
            path: operation.subject.path(),
            destination: operation.destination.as_ref().map(whole_name),
            result: self.result,
            received: self.received,
            sent: self.sent,
            duration: Some(self.duration.saturating_mul(10)),
            address: operation.address,
            agent: operation
                .agent
                .as_deref()
                .map(|agent| cut(agent, MAX_AGENT).to_owned()),
            transaction_id: cut(&operation.transaction_id, MAX_TRANSACTION_ID).to_owned(),
        }
    }
}

fn whole_name(path: &object::Path) -> String {
    format!("{}/{}/{}", path.account, path.container, path.object)
}
