//! What tree operations touch, as the requests that would do the same one by one.

use common::functional::object::Path;
use common::functional::search::Find;
use common::functional::{Action, fs};

use super::shape::Reach;

/// A request for which rules are asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Touched {
    pub(super) method: &'static str,
    /// `account[/container[/object]]`.
    pub(super) path: String,
    /// What is touched instead of the path itself.
    pub(super) reach: Option<Reach>,
}

impl Touched {
    /// By `action`; `None` when it is no tree operation.
    pub(super) fn by(action: &Action) -> Option<Vec<Self>> {
        Some(match action {
            Action::FsMakeDirectory(make) => vec![Self::itself("PUT", &make.path)],
            Action::FsRemoveDirectory(remove) => vec![Self::below("DELETE", &remove.path)],
            Action::FsMove(rename) => by_move(rename),
            Action::FsCopyDirectory(copy) => {
                let mut all = vec![
                    Self::below("GET", &copy.source),
                    Self::below("PUT", &copy.destination),
                ];
                if copy.overwrite {
                    all.push(Self::below("DELETE", &copy.destination));
                }
                all
            }
            Action::FsTree(tree) => vec![Self::named(
                "GET",
                format!("{}/{}", tree.account, tree.container),
                None,
            )],
            Action::SearchFind(find) => by_search(find),
            _ => return None,
        })
    }

    fn itself(method: &'static str, path: &Path) -> Self {
        let path = format!("{}/{}/{}", path.account, path.container, path.object);
        Self::named(method, path, None)
    }

    fn below(method: &'static str, path: &Path) -> Self {
        Self {
            reach: Some(Reach::Below),
            ..Self::itself(method, path)
        }
    }

    fn named(method: &'static str, path: String, reach: Option<Reach>) -> Self {
        Self { method, path, reach }
    }
}

/// What may not be listed is not to be found either; and who asks for metadata learns what HEAD shows.
fn by_search(find: &Find) -> Vec<Touched> {
    let (path, reach) = match (&find.account, &find.container) {
        (Some(account), Some(container)) => (format!("{account}/{container}"), None),
        (Some(account), None) => (account.to_string(), Some(Reach::Children)),
        (None, _) => (String::new(), Some(Reach::Listings)),
    };
    let mut all = vec![Touched::named("GET", path.clone(), reach)];
    if reach == Some(Reach::Children) {
        all.push(Touched::named("GET", path.clone(), None));
    }
    if !find.meta.is_empty() {
        all.push(Touched::named("HEAD", path, Some(Reach::Below)));
    }
    all
}

/// What is moved is read, stored and removed; what it replaces is removed too.
fn by_move(rename: &fs::Move) -> Vec<Touched> {
    let touched = match rename.source.object.is_directory() {
        true => Touched::below,
        false => Touched::itself,
    };
    let mut all = vec![
        touched("GET", &rename.source),
        touched("DELETE", &rename.source),
        touched("PUT", &rename.destination),
    ];
    if rename.overwrite && rename.source.object.is_directory() {
        all.push(touched("DELETE", &rename.destination));
    }
    all
}
