//! A file system of its own, small enough to be filled: an ext4 in a file, mounted where a test wants it. Only root can
//! mount; for others there is none.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::geteuid;
use tempfile::TempDir;

const FILLER: &str = "filler";

/// A mounted file system. Unmounted when dropped.
#[derive(Debug)]
pub struct Disk {
    directory: TempDir,
}

impl Disk {
    /// One of so many MiB. `None`: this machine lets nobody mount one; then what needs it cannot be shown here, and that is
    /// said.
    pub fn of(size: u64) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let disk = Self { directory };
        if !geteuid().is_root() {
            skip("only root can mount a file system");
            return None;
        }
        let image = File::create(disk.image()).expect("the temporary directory is ours");
        image
            .set_len(size << 20)
            .expect("the temporary directory has room");
        fs::create_dir(disk.path()).expect("the temporary directory is ours");
        let mut make = command("mkfs.ext4");
        make.args(["-q", "-m", "0", "-O", "^has_journal"])
            .arg(disk.image());
        let made = make.status().expect("mkfs.ext4 is there (Debian: e2fsprogs)");
        assert!(made.success(), "mkfs.ext4: {made}");
        if let Err(why) = disk.mount() {
            skip(&why);
            return None;
        }
        Some(disk)
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("mounted")
    }

    /// Mounts it, at the start and after [`unmount`](Self::unmount).
    ///
    /// # Errors
    /// What `mount` says.
    pub fn mount(&self) -> Result<(), String> {
        let mut mount = command("mount");
        mount.args(["-o", "loop"]).arg(self.image()).arg(self.path());
        let output = mount.output().expect("mount is there");
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    /// Takes it away, whoever uses it: who has files open keeps them.
    pub fn unmount(&self) {
        let status = command("umount").arg("--lazy").arg(self.path()).status();
        assert!(status.expect("umount is there").success());
    }

    /// From now on nothing can be written to it, or again.
    pub fn set_read_only(&self, is_read_only: bool) {
        let option = if is_read_only { "remount,ro" } else { "remount,rw" };
        // Files that are open for writing would be in the way of an orderly change; a disk that fails does not ask.
        let mut mount = command("mount");
        let status = mount.args(["-o", option]).arg(self.path()).status();
        assert!(status.expect("mount is there").success(), "{option}");
    }

    /// Fills it to the last byte.
    pub fn fill(&self) {
        let mut filler = File::create(self.path().join(FILLER)).expect("the disk takes a file");
        for size in [1 << 20, 64 << 10, 4 << 10, 1] {
            let bytes = vec![1; size];
            loop {
                match filler.write(&bytes) {
                    Ok(written) if written > 0 => {}
                    Err(error) if error.kind() != io::ErrorKind::StorageFull => panic!("{error}"),
                    _ => break,
                }
            }
        }
        filler.sync_all().ok();
    }

    /// Makes room again.
    pub fn relieve(&self) {
        fs::remove_file(self.path().join(FILLER)).expect("the disk was filled");
    }

    /// Whether something is mounted there.
    pub fn is_mounted(&self) -> bool {
        let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
        device(&self.path()) != device(self.directory.path())
    }

    fn image(&self) -> PathBuf {
        self.directory.path().join("image")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_mounted() {
            self.unmount();
        }
    }
}

#[expect(clippy::print_stderr, reason = "what is not shown is said")]
fn skip(why: &str) {
    eprintln!("skipped, as there is no disk of its own here: {}", why.trim());
}

/// A command that also finds what lies where only root's path leads.
fn command(name: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(name);
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command
}
