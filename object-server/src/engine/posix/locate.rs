//! Which directory of which container stands at a place on the disk: names on disk are escaped, and cut where they are long.

use std::io;
use std::path::{Component, Path, PathBuf};

use common::name::{AccountName, ContainerName, ObjectName};

use super::name::{self, Form};
use super::root;

/// A directory of a storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The account that it is in.
    pub account: AccountName,
    /// The container that it is, or is in.
    pub container: ContainerName,
    /// Its name in the container; `None`: it is the container's own directory.
    pub directory: Option<ObjectName>,
}

/// Why a place on the disk is no directory of a container.
#[derive(Debug, thiserror::Error)]
pub enum LocateError {
    /// Nothing can be seen there.
    #[error("{} cannot be looked at on this machine: {cause}", .path.display())]
    NotThere {
        /// The place.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// It is a file, or something else.
    #[error("{} is no directory", .0.display())]
    NoDirectory(PathBuf),
    /// No storage holds it.
    #[error("{} lies in no storage: nothing above it has a file .stobj/identity", .path.display())]
    NoStorage {
        /// Where it really is, whatever links lead to it.
        path: PathBuf,
    },
    /// It is the storage itself, or an account.
    #[error("{} is above all containers of the storage", .0.display())]
    AboveContainers(PathBuf),
    /// The storage does not show it to anybody.
    #[error("{} is no name that the storage gave or would give: what lies there is nobody's", .0.display())]
    Foreign(PathBuf),
}

/// Finds out which directory this is. Links in the way to the storage are followed; inside it there are none.
///
/// # Errors
/// It is in no container.
pub fn locate(directory: &Path) -> Result<Located, LocateError> {
    let not_there = |cause| LocateError::NotThere {
        path: directory.to_owned(),
        cause,
    };
    let path = directory.canonicalize().map_err(not_there)?;
    if !path.is_dir() {
        return Err(LocateError::NoDirectory(path));
    }
    let is_root = |place: &&Path| place.join(root::PRIVATE).join(root::IDENTITY).is_file();
    let Some(root) = path.ancestors().find(is_root) else {
        return Err(LocateError::NoStorage { path });
    };
    let below = path.strip_prefix(root).unwrap_or(&path);
    let Some(mut segments) = segments(below) else {
        return Err(LocateError::Foreign(path));
    };
    let mut first = segments.drain(..segments.len().min(2));
    let (Some(account), Some(container)) = (first.next(), first.next()) else {
        return Err(LocateError::AboveContainers(path));
    };
    drop(first);
    let without_slash = |segment: String| segment.trim_end_matches('/').to_owned();
    let account = AccountName::new(without_slash(account));
    let container = ContainerName::new(without_slash(container));
    let directory = match segments.is_empty() {
        true => Ok(None),
        false => ObjectName::new(segments.concat()).map(Some),
    };
    match (account, container, directory) {
        (Ok(account), Ok(container), Ok(directory)) => Ok(Located {
            account,
            container,
            directory,
        }),
        _ => Err(LocateError::Foreign(path)),
    }
}

/// The segments that stand at a path below a root, each with its slash; `None`: something in it is no name of ours.
fn segments(below: &Path) -> Option<Vec<String>> {
    let mut segments = Vec::new();
    let mut long = String::new();
    for component in below.components() {
        let Component::Normal(component) = component else {
            return None;
        };
        let component = component.to_str()?;
        long.push_str(component);
        if name::is_continued(component) {
            long.push('/');
            continue;
        }
        let (segment, form) = name::decode(&long, true)?;
        if form != Form::Directory {
            return None;
        }
        segments.push(segment);
        long.clear();
    }
    long.is_empty().then_some(segments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::posix::place;

    fn storage() -> tempfile::TempDir {
        let storage = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(storage.path().join(".stobj/accounts")).unwrap();
        std::fs::write(storage.path().join(".stobj/identity"), "stobj 1 x").unwrap();
        storage
    }

    #[test]
    fn a_directory_is_the_one_of_its_name() {
        let storage = storage();
        let long = format!("{}/", "%\u{e4}".repeat(150));
        for (account, container, directory) in [
            ("AUTH_a", "c", ""),
            ("AUTH_a", "c", "x/AUTH_a/c/y/"),
            ("AUTH_%", "..", "a%20b//./\u{1}/.stobj/"),
            (".stobj", "%", "/"),
            ("AUTH_a", "c", long.as_str()),
        ] {
            let top = storage
                .path()
                .join(name::component(account))
                .join(name::component(container));
            let place = top.join(place::directory(directory));
            std::fs::create_dir_all(&place).unwrap();
            let expected = Located {
                account: AccountName::new(account).unwrap(),
                container: ContainerName::new(container).unwrap(),
                directory: (!directory.is_empty()).then(|| ObjectName::new(directory).unwrap()),
            };
            assert_eq!(locate(&place).unwrap(), expected);
            assert_eq!(locate(&place.join("")).unwrap(), expected);
            assert_eq!(locate(&place.join(".")).unwrap(), expected);
        }
    }

    #[test]
    fn links_to_a_storage_are_followed() {
        let storage = storage();
        let elsewhere = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(storage.path().join("AUTH_a/c/d")).unwrap();
        let link = elsewhere.path().join("link");
        std::os::unix::fs::symlink(storage.path(), &link).unwrap();
        let located = locate(&link.join("AUTH_a/c/d")).unwrap();
        assert_eq!(located.directory, Some(ObjectName::new("d/").unwrap()));
        let located = locate(&link.join("AUTH_a/c/../c/d/")).unwrap();
        assert_eq!(located.directory, Some(ObjectName::new("d/").unwrap()));
    }

    #[test]
    fn what_is_in_no_container_is_told_apart() {
        let storage = storage();
        let root = storage.path();
        for directory in ["AUTH_a/c/%zz", "AUTH_a/c/long%+/rest", "AUTH_a/c/a%2Fb"] {
            std::fs::create_dir_all(root.join(directory)).unwrap();
        }
        std::fs::write(root.join("AUTH_a/c/file"), "").unwrap();
        let outside = tempfile::tempdir().unwrap();
        assert!(matches!(
            locate(outside.path()),
            Err(LocateError::NoStorage { .. })
        ));
        assert!(matches!(locate(root), Err(LocateError::AboveContainers(_))));
        assert!(matches!(
            locate(&root.join("AUTH_a")),
            Err(LocateError::AboveContainers(_))
        ));
        assert!(matches!(
            locate(&root.join("AUTH_a/c/file")),
            Err(LocateError::NoDirectory(_))
        ));
        assert!(matches!(
            locate(&root.join("AUTH_a/gone")),
            Err(LocateError::NotThere { .. })
        ));
        for foreign in [
            "AUTH_a/c/%zz",
            "AUTH_a/c/long%+",
            "AUTH_a/c/long%+/rest",
            "AUTH_a/c/a%2Fb",
            ".stobj/accounts",
        ] {
            let located = locate(&root.join(foreign));
            assert!(
                matches!(located, Err(LocateError::Foreign(_))),
                "{foreign}: {located:?}"
            );
        }
    }
}
