//! Making files and directories so that a power cut leaves all of them or nothing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use crate::lease::Lease;

/// Makes a directory, if need be with those above it, and makes its way there durable.
pub(crate) fn make_directory(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        make_directory(parent)?;
    }
    match fs::create_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    sync_directory(parent.unwrap_or(Path::new(".")))
}

/// The same below `base`, which must be there: it may be on a disk that is not mounted at present.
pub(crate) fn make_directory_below(base: &Path, directory: &Path) -> io::Result<()> {
    match base.is_dir() {
        true => make_directory(directory),
        false => Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("{} is not there", base.display()),
        )),
    }
}

/// Makes what was made, renamed or removed in a directory durable.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Makes a file of these parts, or replaces one: whoever reads sees the old one or the new one, whole, also after a
/// power cut. Its extension is `tmp` until it is complete. Gives the file, open for writing.
pub(crate) fn replace(path: &Path, parts: &[&[u8]]) -> io::Result<File> {
    replace_under(&Lease::default(), path, parts)
}

/// The same for what another server may have by now: then it stays as it is.
pub(crate) fn replace_under(lease: &Lease, path: &Path, parts: &[&[u8]]) -> io::Result<File> {
    let temporary = path.with_extension("tmp");
    let is_ours = || lease.check().map_err(io::Error::other);
    // What is not complete has one name for all, too.
    is_ours()?;
    let made = write_new(&temporary, parts).and_then(|file| {
        is_ours()?;
        fs::rename(&temporary, path)?;
        sync_directory(path.parent().unwrap_or(Path::new(".")))?;
        Ok(file)
    });
    if made.is_err() && lease.check().is_ok() {
        // What is left of it takes space that others need.
        let _ = fs::remove_file(&temporary);
    }
    made
}

fn write_new(path: &Path, parts: &[&[u8]]) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.sync_all()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_and_replaced() {
        let directory = tempfile::TempDir::new().unwrap();
        let deep = directory.path().join("a/b/c");
        make_directory(&deep).unwrap();
        make_directory(&deep).unwrap();
        let absent = directory.path().join("absent");
        assert!(make_directory_below(&absent, &absent.join("a")).is_err() && !absent.exists());
        make_directory_below(directory.path(), &deep.join("d")).unwrap();
        fs::remove_dir(deep.join("d")).unwrap();
        let path = deep.join("file");
        replace(&path, &[b"one"]).unwrap();
        replace(&path, &[b"t", b"wo"]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(&deep).unwrap().count(), 1);
        assert!(replace(&directory.path().join("absent/file"), &[]).is_err());
    }
}
