//! What tree operations touch, as the requests that would do the same one by one.

use common::functional::object::Path;
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
            Action::FsTree(tree) => vec![Self {
                method: "GET",
                path: format!("{}/{}", tree.account, tree.container),
                reach: None,
            }],
            Action::SearchFind(find) => match (&find.account, &find.container) {
                (None, _) => Vec::new(),
                (Some(account), Some(container)) => vec![Self {
                    method: "GET",
                    path: format!("{account}/{container}"),
                    reach: None,
                }],
                // What may not be listed is not to be found either.
                (Some(account), None) => vec![
                    Self {
                        method: "GET",
                        path: account.to_string(),
                        reach: None,
                    },
                    Self {
                        method: "GET",
                        path: account.to_string(),
                        reach: Some(Reach::Children),
                    },
                ],
            },
            _ => return None,
        })
    }

    fn itself(method: &'static str, path: &Path) -> Self {
        Self {
            method,
            path: format!("{}/{}/{}", path.account, path.container, path.object),
            reach: None,
        }
    }

    fn below(method: &'static str, path: &Path) -> Self {
        Self {
            reach: Some(Reach::Below),
            ..Self::itself(method, path)
        }
    }
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
