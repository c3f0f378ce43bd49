//! What a functional request touches, and how.

use common::functional::{Action, object, search};
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
    /// The resource that `action` touches; `None` when it touches none. Of two that it touches the one that it is sent to
    /// the owner of; see [`beside`](Self::beside).
    pub(super) fn of(action: &Action) -> Option<Self> {
        use Access::{Manage, Read, Write};
        let name = action.name();
        let account = |of: &AccountName, access| Self::account(of, access, name);
        let container = |of: &AccountName, container: &ContainerName, access| {
            Self::container(of, container, access, name)
        };
        let object = |path: &object::Path, access| Self::object(path, access, name);
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
            // A directory is limited as a container is: by whoever may change that.
            Action::QuotaSet(set) if set.directory.is_some() => {
                container(&set.account, set.container.as_ref()?, Write)
            }
            Action::QuotaShow(show) if show.directory.is_some() => {
                container(&show.account, show.container.as_ref()?, Read)
            }
            Action::JobShow(show) => account(&show.account, Read),
            Action::JobList(list) => account(&list.account, Read),
            Action::JobCancel(cancel) => account(&cancel.account, Write),
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
            Action::FsMakeDirectory(make) => object(&make.path, Write),
            Action::FsMove(rename) => object(&rename.source, Write),
            Action::FsCopyDirectory(copy) => container(&copy.source.account, &copy.source.container, Read),
            Action::FsRemoveDirectory(remove) => object(&remove.path, Write),
            Action::FsTree(tree) => container(&tree.account, &tree.container, Read),
            Action::SearchFind(find) => Self::searched(find, name)?,
            _ => return None,
        })
    }

    /// What else `action` touches, or how else: a move reads what it takes away, and it writes elsewhere.
    pub(super) fn beside(action: &Action) -> Vec<Self> {
        use Access::{Read, Write};
        let name = action.name();
        match action {
            Action::FsMove(rename) => vec![
                Self::object(&rename.source, Read, name),
                Self::object(&rename.destination, Write, name),
            ],
            Action::FsCopyDirectory(copy) => vec![
                Self::object(&copy.source, Read, name),
                Self::object(&copy.destination, Write, name),
            ],
            _ => Vec::new(),
        }
    }

    /// What whoever changes the limits of directories must have a right to, where `action` may take such a directory away, give it
    /// another name or replace it.
    pub(super) fn limits(action: &Action) -> Vec<Self> {
        let of =
            |path: &object::Path| Self::container(&path.account, &path.container, Access::Write, "quota/set");
        match action {
            Action::ObjectDelete(delete) if delete.path.object.is_directory() => vec![of(&delete.path)],
            Action::FsRemoveDirectory(remove) => vec![of(&remove.path)],
            Action::FsMove(rename) => vec![of(&rename.source), of(&rename.destination)],
            Action::FsCopyDirectory(copy) => vec![of(&copy.destination)],
            _ => Vec::new(),
        }
    }

    /// The resource as rules name it: `account[/container[/object]]`.
    pub(super) fn path(&self) -> String {
        let container = self.container.as_ref().map(|name| name.as_str());
        let object = self.object.as_ref().map(|name| name.as_str());
        let parts = [Some(self.account.as_str()), container, object];
        parts.into_iter().flatten().collect::<Vec<_>>().join("/")
    }

    fn account(account: &AccountName, access: Access, action: &'static str) -> Self {
        Self {
            account: account.clone(),
            container: None,
            object: None,
            level: Level::Account,
            access,
            action,
        }
    }

    fn container(
        account: &AccountName,
        container: &ContainerName,
        access: Access,
        action: &'static str,
    ) -> Self {
        Self {
            container: Some(container.clone()),
            level: Level::Container,
            ..Self::account(account, access, action)
        }
    }

    fn object(path: &object::Path, access: Access, action: &'static str) -> Self {
        Self {
            object: Some(path.object.clone()),
            level: Level::Object,
            ..Self::container(&path.account, &path.container, access, action)
        }
    }

    /// A search reads what it looks through, as a listing does. One over all accounts has no resource.
    fn searched(find: &search::Find, action: &'static str) -> Option<Self> {
        let account = find.account.as_ref()?;
        Some(match &find.container {
            Some(container) => Self::container(account, container, Access::Read, action),
            None => Self::account(account, Access::Read, action),
        })
    }
}
