//! A file system of its own, small enough to be filled: an ext4 in a file, mounted where a test wants it. Only root can
//! mount; for others there is none.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
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
        // Without a journal: a file system whose journal fails is of no use until somebody mounts it again.
        Self::made(size, &["-O", "^has_journal"])
    }

    /// One that is whole again after a power cut, as disks of servers are.
    pub fn journaled(size: u64) -> Option<Self> {
        Self::made(size, &[])
    }

    fn made(size: u64, options: &[&str]) -> Option<Self> {
        let disk = Self::new(size)?;
        let image = File::create(disk.image()).expect("the temporary directory is ours");
        image
            .set_len(size << 20)
            .expect("the temporary directory has room");
        let mut make = command("mkfs.ext4");
        make.args(["-q", "-m", "0"]).args(options).arg(disk.image());
        run(&mut make).expect("mkfs.ext4 is there (Debian: e2fsprogs)");
        disk.attach()
    }

    /// Another one that holds what this would if the power failed now: what was not brought to it is lost. Nobody may be
    /// writing to it but the kernel.
    pub fn after_power_cut(&self) -> Option<Self> {
        let size = fs::metadata(self.image()).expect("the image is there").len() >> 20;
        let disk = Self::new(size)?;
        fs::copy(self.image(), disk.image()).expect("there is room for it");
        disk.attach()
    }

    /// Room for an image of so many MiB.
    fn new(size: u64) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let disk = Self { directory };
        if !geteuid().is_root() {
            skip("only root can mount a file system");
            return None;
        }
        for place in [disk.path(), disk.device(), disk.backing()] {
            fs::create_dir(place).expect("the temporary directory is ours");
        }
        let mut mount = command("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={}M", size + 1), "tmpfs"]);
        match run(mount.arg(disk.backing())) {
            Ok(_) => Some(disk),
            Err(why) => {
                skip(&why);
                None
            }
        }
    }

    /// Mounts the image.
    fn attach(self) -> Option<Self> {
        let mut mount = command("mount");
        mount.args(["-o", "loop"]).arg(self.image()).arg(self.device());
        if let Err(why) = run(&mut mount) {
            skip(&why);
            return None;
        }
        self.mount();
        Some(self)
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("mounted")
    }

    /// Mounts it, at the start and after [`unmount`](Self::unmount).
    pub fn mount(&self) {
        // The file system itself stays mounted elsewhere, so that it is one also for who has files of it open.
        let mount = run(command("mount").arg("--bind").arg(self.device()).arg(self.path()));
        mount.expect("what is mounted can be mounted");
    }

    /// Takes it away, whoever uses it: who has files open keeps them.
    pub fn unmount(&self) {
        run(command("umount").arg("--lazy").arg(self.path())).expect("it is mounted");
    }

    /// From now on nothing can be written to where nothing was written before: the kernel takes it, and fails to bring it
    /// to the disk. Or it is well again.
    pub fn fail_writes(&self, fails: bool) {
        match fails {
            true => fill(&self.backing()),
            false => fs::remove_file(self.backing().join(FILLER)).expect("writing failed before"),
        }
    }

    /// The same, and nothing can be written either to where nothing but zeros were written before: a file has room of its own
    /// there, and yet it does not arrive.
    pub fn fail_all_writes(&self) {
        let mut dig = command("fallocate");
        run(dig.arg("--dig-holes").arg(self.image())).expect("the image can have holes");
        self.fail_writes(true);
    }

    /// What lies below these paths becomes a mount of its own, which [`protect`](Self::protect) leaves alone: a file that is open for
    /// writing would keep it from being protected. Nobody may be using them yet.
    pub fn keep_apart(&self, paths: &[&Path]) {
        for path in paths {
            assert!(path.starts_with(self.path()));
            run(command("mount").arg("--bind").args([path, path])).expect("what is there can be mounted");
        }
    }

    /// From now on the kernel refuses whatever would change anything here; or no more. It does not as long as a file is open for
    /// writing, which may take a moment.
    pub async fn protect(&self, is_protected: bool) {
        let option = if is_protected {
            "remount,bind,ro"
        } else {
            "remount,bind,rw"
        };
        let is_done = || async { run(command("mount").args(["-o", option]).arg(self.path())).is_ok() };
        crate::cluster::until("the disk is protected, or is no more", is_done).await;
    }

    /// Mounts this where `other` was before it was unmounted, or takes it away again.
    pub fn stand_in_for(&self, other: &Self, does: bool) {
        if does {
            let mount = run(command("mount")
                .arg("--bind")
                .arg(self.device())
                .arg(other.path()));
            mount.expect("what is mounted can be mounted");
        } else {
            other.unmount();
        }
    }

    /// Fills it to the last byte.
    pub fn fill(&self) {
        fill(&self.path());
    }

    /// Makes room again.
    pub fn relieve(&self) {
        fs::remove_file(self.path().join(FILLER)).expect("the disk was filled");
    }

    /// Has the kernel meet an error of the file system itself, upon which it writes to it no more: to the open files of others
    /// either. `false`: this kernel cannot be asked for one.
    pub fn turn_read_only(&self) -> bool {
        let mut remount = command("mount");
        remount
            .args(["-o", "remount,errors=remount-ro"])
            .arg(self.device());
        run(&mut remount).expect("what is mounted can be mounted otherwise");
        let Ok(device) = run(command("findmnt").args(["-n", "-o", "SOURCE"]).arg(self.device())) else {
            return false;
        };
        let name = device.trim().trim_start_matches("/dev/");
        let trigger = Path::new("/sys/fs/ext4").join(name).join("trigger_fs_error");
        match fs::write(&trigger, "1") {
            Ok(()) => true,
            Err(error) => {
                skip(&format!("{}: {error}", trigger.display()));
                false
            }
        }
    }

    /// Checks and mends the file system, as an administrator does whose kernel does not write to it any more. Nobody may be
    /// using it.
    pub fn repair(&self) {
        for place in [self.path(), self.device()] {
            run(command("umount").arg(place)).expect("it is mounted, and nobody uses it");
        }
        // It says by its code that it mended something.
        let mended = command("e2fsck").args(["-f", "-y"]).arg(self.image()).output();
        assert!(mended.is_ok_and(|output| output.status.code().is_some_and(|code| code < 4)));
        let mut mount = command("mount");
        mount.args(["-o", "loop"]).arg(self.image()).arg(self.device());
        run(&mut mount).expect("it could be mounted before");
        self.mount();
    }

    /// From here on nothing can be read of what lies behind so many MiB, as on a disk with bad sectors; the kernel says EIO.
    /// What it still knows of `file` is forgotten. What was there is given back, for [`heal`](Self::heal).
    pub fn break_behind(&self, size: u64, file: &Path) -> Vec<u8> {
        let mut image = File::options()
            .read(true)
            .write(true)
            .open(self.image())
            .expect("the image is there");
        let mut lost = Vec::new();
        image
            .seek(SeekFrom::Start(size << 20))
            .and_then(|_| image.read_to_end(&mut lost))
            .and_then(|_| image.set_len(size << 20))
            .expect("the image can be cut off");
        let mut forget = command("dd");
        forget
            .arg(format!("if={}", file.display()))
            .args(["iflag=nocache", "count=0"]);
        run(&mut forget).expect("the kernel forgets what it has read");
        lost
    }

    /// The disk is well again, and holds this behind so many MiB.
    pub fn heal(&self, size: u64, lost: &[u8]) {
        let image = File::options()
            .write(true)
            .open(self.image())
            .expect("the image is there");
        image
            .write_all_at(lost, size << 20)
            .expect("there was room for it before");
    }

    fn is_mounted(&self, place: &Path) -> bool {
        let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
        device(place) != device(self.directory.path())
    }

    fn device(&self) -> PathBuf {
        self.directory.path().join("device")
    }

    /// In memory, and no larger than it must be: what it has no room for the disk fails to take.
    fn backing(&self) -> PathBuf {
        self.directory.path().join("backing")
    }

    fn image(&self) -> PathBuf {
        self.backing().join("image")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        for place in [self.path(), self.device(), self.backing()] {
            if self.is_mounted(&place) {
                let _gone = run(command("umount").arg("--lazy").arg(place));
            }
        }
    }
}

fn fill(directory: &Path) {
    let mut filler = File::create(directory.join(FILLER)).expect("the disk takes a file");
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

/// What it says.
///
/// # Errors
/// The same, when it fails.
fn run(command: &mut Command) -> Result<String, String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}
