//! What a functional request touches, and how.

use common::functional::{Action, object};
use common::name::{AccountName, ContainerName, ObjectName};

/// The resource of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) account: AccountName,
    pub(super) container: Option<ContainerName>,
    pub(super) object: Option<ObjectName>,
    pub(super) level: Level,
    pub(super) access: Access,
    /// `{system}/{action}`.
    pub(super) action: &'static str,
}

/// Which kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Account,
    Container,
    Object,
}

/// What is done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// GET and HEAD.
    Read,
    /// PUT, POST and DELETE; of an account only POST.
    Write,
    /// What only administrators of the whole store do: PUT and DELETE of an account, and the switch of anything.
    Manage,
}

impl Target {
    /// The resource that `action` touches; `None` when it touches none.
    pub(super) fn of(action: &Action) -> Option<Self> {
        use Access::{Manage, Read, Write};
        let name = action.name();
        let account = |account: &AccountName, access| Self {
            account: account.clone(),
            container: None,
            object: None,
            level: Level::Account,
            access,
            action: name,
        };
        let container = |of: &AccountName, container: &ContainerName, access| Self {
            container: Some(container.clone()),
            level: Level::Container,
            ..account(of, access)
        };
        let object = |path: &object::Path, access| Self {
            object: Some(path.object.clone()),
            level: Level::Object,
            ..container(&path.account, &path.container, access)
        };
        Some(match action {
            Action::AccountHead(head) => account(&head.account, Read),
            Action::AccountList(list) => account(&list.account, Read),
            Action::AccountPost(post) => account(&post.account, Write),
            Action::AccountPut(put) => account(&put.account, Manage),
            Action::AccountDelete(delete) => account(&delete.account, Manage),
            Action::FirewallState(set) => Self {
                container: set.container.clone(),
                object: set.object.clone(),
                level: match (&set.container, &set.object) {
                    (Some(_), Some(_)) => Level::Object,
                    (Some(_), None) => Level::Container,
                    (None, _) => Level::Account,
                },
                ..account(&set.account, Manage)
            },
            Action::RecordList(list) => account(list.account.as_ref()?, Read),
            Action::ContainerHead(head) => container(&head.account, &head.container, Read),
            Action::ContainerList(list) => container(&list.account, &list.container, Read),
            Action::ContainerPut(put) => container(&put.account, &put.container, Write),
            Action::ContainerPost(post) => container(&post.account, &post.container, Write),
            Action::ContainerDelete(delete) => container(&delete.account, &delete.container, Write),
            Action::ObjectHead(head) => object(&head.path, Read),
            Action::ObjectGet(get) => object(&get.path, Read),
            Action::ObjectPut(put) => object(&put.path, Write),
            Action::ObjectPost(post) => object(&post.path, Write),
            Action::ObjectDelete(delete) => object(&delete.path, Write),
            _ => return None,
        })
    }
}
