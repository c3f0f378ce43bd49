//! Functional requests: what a resource URL means, as one typed value.
//!
//! A request is an [`Action`] with its arguments, the [`Context`] it is made in, and a body; a reply is an
//! [`Answer`] and a body. Every server and every filter behind *functionalise* is a service over these two. The
//! action and its answer are tied together by [`Call`], so that whoever asks gets the right type back.
//!
//! The names `{system}/{action}` and the JSON of the arguments are a wire format (`common/README.md`): fields are
//! added with a default, never renamed, never given another meaning.

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::body::Body;
use crate::service::FunctionalService;

pub mod account;
pub mod check;
pub mod container;
mod context;
pub mod firewall;
pub mod fs;
pub mod info;
pub mod job;
pub mod listing;
pub mod mirror;
pub mod object;
pub mod policy;
pub mod quota;
pub mod record;
pub mod search;
pub mod user;

pub use context::{Authority, Caller, Context, Generations, Grant, Identity, Scope};

/// One functional request.
#[derive(Debug)]
pub struct Request {
    /// What is to be done.
    pub action: Action,
    /// By whom, when, and in the course of which client request.
    pub context: Context,
    /// The raw bytes that come along; empty for all but `object/put`.
    pub body: Body,
}

/// The reply to a functional request.
#[derive(Debug)]
pub struct Reply {
    /// What came of it.
    pub answer: Answer,
    /// The raw bytes that come along; empty for all but `object/get`.
    pub body: Body,
}

impl Reply {
    /// An answer without bytes.
    pub fn new(answer: impl Into<Answer>) -> Self {
        Self {
            answer: answer.into(),
            body: Body::empty(),
        }
    }
}

/// The arguments of one action, which know the type of its answer.
pub trait Call: Into<Action> {
    /// What a server answers.
    type Answer;

    /// The answer to this action out of any answer.
    ///
    /// # Errors
    /// [`Outcome::Internal`](crate::Outcome::Internal) when a server answered another question.
    fn expect(answer: Answer) -> Result<Self::Answer, Error>;
}

/// Asks `service` and gives the typed answer and the reply's body.
///
/// # Errors
/// What the service answers, or an internal error when the answer is of another type.
pub async fn ask<C: Call>(
    service: &FunctionalService,
    call: C,
    context: Context,
    body: Body,
) -> Result<(C::Answer, Body), Error> {
    let reply = service
        .handle(Request {
            action: call.into(),
            context,
            body,
        })
        .await?;
    Ok((C::expect(reply.answer)?, reply.body))
}

/// `programs` behind an action opens the door `/f/` to it.
macro_rules! if_programs {
    (programs $name:literal) => {
        $name
    };
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:literal $variant:ident($arguments:ty) -> $answer:ty $(, $door:ident)?;)+) => {
        /// What is to be done, with its arguments.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Action {
            $($(#[$doc])* #[serde(rename = $name)] $variant($arguments),)+
        }

        /// What came of an action, one variant for each.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Answer {
            $(#[doc = concat!("Of `", $name, "`.")] #[serde(rename = $name)] $variant($answer),)+
        }

        impl Action {
            /// Every `{system}/{action}` there is.
            pub const NAMES: &[&str] = &[$($name),+];

            /// Those that programs reach at the proxy as `POST /f/{system}/{action}`; all others have resource URLs,
            /// or are what servers ask each other.
            pub const FOR_PROGRAMS: &[&str] = &[$($(if_programs!($door $name),)?)+];

            /// `{system}/{action}`, as it stands in records, traces and on the wire.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)+
                }
            }
        }

        $(
            impl From<$arguments> for Action {
                fn from(arguments: $arguments) -> Self {
                    Self::$variant(arguments)
                }
            }

            impl Call for $arguments {
                type Answer = $answer;

                fn expect(answer: Answer) -> Result<$answer, Error> {
                    match answer {
                        Answer::$variant(answer) => Ok(answer),
                        _ => Err(Error::internal(concat!("the answer to ", $name, " is of another action"))),
                    }
                }
            }
        )+
    };
}

actions! {
    /// What decides over an account and a container; asked by guards, cached by generation.
    "info/get" InfoGet(info::Get) -> info::Found;

    /// An account's counters and properties.
    "account/head" AccountHead(account::Head) -> account::Info;
    /// A page of an account's containers.
    "account/list" AccountList(account::List) -> account::Listing;
    /// Makes an account, or merges properties into it.
    "account/put" AccountPut(account::Put) -> account::Written;
    /// Merges properties into an account.
    "account/post" AccountPost(account::Post) -> account::Written;
    /// Marks an account deleted.
    "account/delete" AccountDelete(account::Delete) -> account::Written;

    /// A container's counters and properties.
    "container/head" ContainerHead(container::Head) -> container::Info;
    /// A page of a container's objects.
    "container/list" ContainerList(container::List) -> container::Listing;
    /// Makes a container, or merges properties into it.
    "container/put" ContainerPut(container::Put) -> container::Written;
    /// Merges properties into a container.
    "container/post" ContainerPost(container::Post) -> container::Written;
    /// Removes an empty container.
    "container/delete" ContainerDelete(container::Delete) -> container::Written;

    /// An object's properties.
    "object/head" ObjectHead(object::Head) -> object::Info;
    /// An object's bytes, all or some.
    "object/get" ObjectGet(object::Get) -> object::Got;
    /// Stores an object.
    "object/put" ObjectPut(object::Put) -> object::Stored;
    /// Replaces an object's properties.
    "object/post" ObjectPost(object::Post) -> object::Posted;
    /// Removes an object.
    "object/delete" ObjectDelete(object::Delete) -> object::Deleted;
    /// Copies an object; the `copy` filter makes a GET and a PUT of it.
    "object/copy" ObjectCopy(object::Copy) -> object::Copied;

    /// Makes an explicit directory.
    "fs/make_directory" FsMakeDirectory(fs::MakeDirectory) -> fs::MadeDirectory, programs;
    /// Gives an object or a directory another name.
    "fs/move" FsMove(fs::Move) -> fs::Moved, programs;
    /// Copies a directory with all that lies in it.
    "fs/copy_directory" FsCopyDirectory(fs::CopyDirectory) -> job::Job, programs;
    /// Removes a directory with all that lies in it.
    "fs/remove_directory" FsRemoveDirectory(fs::RemoveDirectory) -> fs::RemovedDirectory, programs;
    /// A container or a directory as nested nodes with totals.
    "fs/tree" FsTree(fs::Tree) -> fs::TreeNode, programs;
    /// A page of what matches.
    "search/find" SearchFind(search::Find) -> search::Found, programs;
    /// One job of an account.
    "job/show" JobShow(job::Show) -> job::Job, programs;
    /// The jobs of an account.
    "job/list" JobList(job::List) -> job::Jobs, programs;
    /// Ends a job before its time.
    "job/cancel" JobCancel(job::Cancel) -> job::Job, programs;

    /// Where the mirror of an account stands.
    "mirror/open" MirrorOpen(mirror::Open) -> mirror::Position;
    /// A batch of an account's changes, in the order of `seq`.
    "mirror/apply" MirrorApply(mirror::Apply) -> mirror::Position;
    /// A page of containers out of the mirror.
    "mirror/list_account" MirrorListAccount(mirror::ListAccount) -> mirror::Page<account::Entry>;
    /// A page of objects out of the mirror.
    "mirror/list_container" MirrorListContainer(mirror::ListContainer) -> mirror::Page<container::Entry>;
    /// What a directory holds.
    "mirror/totals" MirrorTotals(mirror::Totals) -> mirror::Total;
    /// A container or a directory as a tree, out of the mirror.
    "mirror/tree" MirrorTree(mirror::Tree) -> mirror::TreePage;
    /// A page of objects with all that the mirror has of them.
    "mirror/rows" MirrorRows(mirror::Rows) -> mirror::Page<mirror::KeptObject>;
    /// Whether rows of the mirror make up a tree.
    "mirror/inspect" MirrorInspect(mirror::Inspect) -> mirror::Inspected;
    /// Takes rows out of the mirror's tree, and has others count again.
    "mirror/mend" MirrorMend(mirror::Mend) -> mirror::Position;

    /// Adds a user, or brings one to the given state.
    "user/put" UserPut(user::Put) -> user::Written, programs;
    /// Gives a user another password.
    "user/password" UserPassword(user::Password) -> user::Written, programs;
    /// Lets a user log in again.
    "user/enable" UserEnable(user::Enable) -> user::Written, programs;
    /// Lets a user log in no more.
    "user/disable" UserDisable(user::Disable) -> user::Written, programs;
    /// Makes a token void, or all of a user's.
    "user/revoke" UserRevoke(user::Revoke) -> user::Written, programs;
    /// One user.
    "user/show" UserShow(user::Show) -> user::Shown, programs;
    /// A page of users.
    "user/list" UserList(user::List) -> user::Listed, programs;
    /// Removes a user and says what becomes of the account; the `users` filter takes it apart.
    "user/delete" UserDelete(user::Delete) -> user::Written, programs;
    /// Removes a user from the table.
    "user/remove" UserRemove(user::Remove) -> user::Written;
    /// Adds a user whose account is still to be made.
    "user/pend" UserPend(user::Pend) -> user::Pended;
    /// Lets such a user log in.
    "user/admit" UserAdmit(user::Admit) -> user::Written;
    /// Removes such a user.
    "user/abandon" UserAbandon(user::Abandon) -> user::Written;
    /// Switches an account or an object off, or on again.
    "firewall/state" FirewallState(firewall::SetState) -> firewall::StateSet, programs;
    /// What is switched off.
    "firewall/list" FirewallList(firewall::ListDisabled) -> firewall::DisabledPage, programs;
    /// Changes, out of their owners' journals.
    "record/commit" RecordCommit(record::Commit) -> record::Kept;
    /// How requests ended.
    "record/complete" RecordComplete(record::Complete) -> record::Kept;
    /// A page of the operation record.
    "record/list" RecordList(record::List) -> record::Page, programs;
    /// The rules of the firewall; answered by the proxy itself.
    "firewall/rules" FirewallRules(firewall::ListRules) -> firewall::Rules, programs;
    /// Changes the limits of an account or a container.
    "quota/set" QuotaSet(quota::Set) -> quota::Quota, programs;
    /// What an account or a container holds, and may hold.
    "quota/show" QuotaShow(quota::Show) -> quota::Quota, programs;
    /// A page of all accounts and containers that have a limit.
    "quota/list" QuotaList(quota::List) -> quota::Quotas, programs;
    /// What is needed to decide requests without SQL: users with their verifiers.
    "policy/fetch" PolicyFetch(policy::Fetch) -> policy::Fetched;
    /// Fills a database that was emptied.
    "policy/restore" PolicyRestore(policy::Restore) -> policy::Restored;

    /// Compares storage, mirror and counters of an account, as a job.
    "check/run" CheckRun(check::Run) -> job::Job, programs;
    /// Fills the mirror of an account anew, as a job.
    "check/rebuild" CheckRebuild(check::Rebuild) -> job::Job, programs;
    /// Takes in files that were put into a container's directory, as a job.
    "check/adopt" CheckAdopt(check::Adopt) -> job::Job, programs;
    /// A page of all accounts.
    "check/accounts" CheckAccounts(check::Accounts) -> check::AccountPage, programs;
}

impl Action {
    /// Whether it changes nothing.
    pub fn is_read(&self) -> bool {
        match self {
            Self::ObjectGet(_)
            | Self::ObjectHead(_)
            | Self::ContainerHead(_)
            | Self::ContainerList(_)
            | Self::AccountHead(_)
            | Self::AccountList(_) => true,
            Self::ObjectPut(_) | Self::ObjectPost(_) | Self::ObjectDelete(_) => false,
            // Of the rarer ones the name says it.
            other => {
                let verb = other.name().rsplit('/').next().unwrap_or_default();
                matches!(
                    verb,
                    "get" | "head" | "list" | "show" | "rules" | "fetch" | "tree" | "find" | "accounts"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::{AccountName, ContainerName};

    #[test]
    fn an_action_is_named_json() {
        let head = container::Head {
            account: AccountName::new("AUTH_a").unwrap(),
            container: ContainerName::new("c").unwrap(),
        };
        let action = Action::from(head);
        let json = serde_json::to_string(&action).unwrap();
        assert_eq!(json, r#"{"container/head":{"account":"AUTH_a","container":"c"}}"#);
        assert_eq!(serde_json::from_str::<Action>(&json).unwrap(), action);
        assert_eq!(action.name(), "container/head");
    }

    #[test]
    fn an_answer_to_another_question_is_an_error() {
        let answer = Answer::ObjectDelete(object::Deleted {});
        assert!(container::Head::expect(answer).is_err());
    }
}
