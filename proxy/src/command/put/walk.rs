//! The files that `stobj put` was told, and those in directories that it was told.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tokio::sync::mpsc::Sender;

/// A file.
#[derive(Debug)]
pub(in crate::command) struct Found {
    pub(in crate::command) path: PathBuf,
    /// How it is called below the destination.
    pub(in crate::command) name: String,
    pub(in crate::command) bytes: u64,
}

/// Something that cannot be stored.
#[derive(Debug)]
pub(in crate::command) struct Unusable {
    pub(in crate::command) path: PathBuf,
    pub(in crate::command) error: io::Error,
}

/// Nobody wants any more.
struct Unwanted;

type Wanted = Result<(), Unwanted>;

/// Sends all files of the sources, in the order of their names, as fast as they are taken; it blocks meanwhile. Links to files are
/// followed, links to directories are not, as they may lead in circles.
pub(in crate::command) fn walk(sources: &[PathBuf], found: &Sender<Result<Found, Unusable>>) {
    for source in sources {
        if from_source(source, found).is_err() {
            return;
        }
    }
}

fn from_source(source: &Path, found: &Sender<Result<Found, Unusable>>) -> Wanted {
    let metadata = match fs::metadata(source) {
        Ok(metadata) => metadata,
        Err(error) => return unusable(source, error, found),
    };
    let own_name = match name_of(source) {
        Ok(name) => name,
        Err(error) => return unusable(source, error, found),
    };
    if !metadata.is_dir() {
        return file(source.to_owned(), own_name.unwrap_or_default(), &metadata, found);
    }
    let is_content_only = source.as_os_str().as_encoded_bytes().ends_with(b"/");
    let prefix = match own_name.filter(|_| !is_content_only) {
        Some(name) => format!("{name}/"),
        None => String::new(),
    };
    below(source, prefix, found)
}

/// One directory after the other; no more than the names of those on the way down are held.
fn below(root: &Path, prefix: String, found: &Sender<Result<Found, Unusable>>) -> Wanted {
    let mut left = vec![(root.to_owned(), prefix)];
    while let Some((directory, prefix)) = left.pop() {
        let mut entries = match fs::read_dir(&directory).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(entries) => entries,
            Err(error) => {
                unusable(&directory, error, found)?;
                continue;
            }
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        let mut directories = Vec::new();
        for entry in entries {
            let path = entry.path();
            let name = match entry.file_name().into_string() {
                Ok(name) => format!("{prefix}{name}"),
                Err(_) => {
                    unusable(&path, not_utf8(), found)?;
                    continue;
                }
            };
            let metadata = entry.file_type().and_then(|kind| match kind.is_dir() {
                true => entry.metadata(),
                false => fs::metadata(&path),
            });
            match metadata {
                Ok(metadata) if metadata.is_dir() && entry.file_type().is_ok_and(|kind| kind.is_dir()) => {
                    directories.push((path, format!("{name}/")));
                }
                Ok(metadata) => file(path, name, &metadata, found)?,
                Err(error) => unusable(&path, error, found)?,
            }
        }
        left.extend(directories.into_iter().rev());
    }
    Ok(())
}

fn file(
    path: PathBuf,
    name: String,
    metadata: &fs::Metadata,
    found: &Sender<Result<Found, Unusable>>,
) -> Wanted {
    if !metadata.is_file() {
        let why = match metadata.is_dir() {
            true => "a link to a directory is not followed",
            false => "it is no file",
        };
        return unusable(&path, io::Error::other(why), found);
    }
    let bytes = metadata.len();
    let one = Found { path, name, bytes };
    found.blocking_send(Ok(one)).map_err(|_| Unwanted)
}

fn unusable(path: &Path, error: io::Error, found: &Sender<Result<Found, Unusable>>) -> Wanted {
    let path = path.to_owned();
    found
        .blocking_send(Err(Unusable { path, error }))
        .map_err(|_| Unwanted)
}

/// The last part of the path, if it has one: `..` and `/` have none.
fn name_of(source: &Path) -> io::Result<Option<String>> {
    match source.file_name() {
        None => Ok(None),
        Some(name) => name
            .to_str()
            .map(|name| Some(name.to_owned()))
            .ok_or_else(not_utf8),
    }
}

fn not_utf8() -> io::Error {
    io::Error::other("its name is not UTF-8, as names of objects are")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt as _;

    fn names(sources: &[PathBuf]) -> (Vec<String>, usize) {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(100);
        walk(sources, &sender);
        drop(sender);
        let (mut names, mut unusable) = (Vec::new(), 0);
        while let Some(found) = receiver.blocking_recv() {
            match found {
                Ok(found) => names.push(found.name),
                Err(_) => unusable += 1,
            }
        }
        (names, unusable)
    }

    #[test]
    fn trees_are_walked_without_going_in_circles() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        fs::create_dir_all(root.join("b/c")).unwrap();
        for name in ["z", "b/c/y", "b/x", "a"] {
            fs::write(root.join(name), name).unwrap();
        }
        std::os::unix::fs::symlink("..", root.join("b/up")).unwrap();
        std::os::unix::fs::symlink("a", root.join("link")).unwrap();
        let odd = std::ffi::OsString::from_vec(vec![b'o', 0xff]);
        fs::write(root.join(odd), "").unwrap();
        let (found, unusable) = names(std::slice::from_ref(&root));
        assert_eq!(found, ["root/a", "root/link", "root/z", "root/b/x", "root/b/c/y"]);
        assert_eq!(unusable, 2, "the circle and the name that is not UTF-8");
        let content = PathBuf::from(format!("{}/", root.join("b").display()));
        let (found, _) = names(&[content, root.join("a"), root.join("missing")]);
        assert_eq!(found, ["x", "c/y", "a"]);
    }
}
