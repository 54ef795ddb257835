//! Small disks that a test may fill, seen by its own processes only.
//!
//! A test asks [`own_mounts`] first, which runs it again where it may mount, and then makes each [`Disk`] it needs.

use std::{
    env,
    fs::{self, File},
    io::{Write as _, stderr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

/// Says to the inner run of a test that it is one.
const INNER: &str = "DAYBOOK_OWN_MOUNTS";

/// Whether this is a place of its own for mounts. If not, the test of this name is run in one, and must pass there; where
/// none can be had (it takes root, or a system that lets users have namespaces), that is said.
pub(crate) fn own_mounts(test: &str) -> bool {
    if env::var_os(INNER).is_some() {
        return true;
    }
    let Some(mut unshare) = unshare() else {
        // Past the capture of what a test prints: a test that proves nothing must not pass unnoticed.
        writeln!(stderr(), "SKIPPED {test}: no disk can be mounted here; run it as root (tests/run installs mount)")
            .expect("said");
        return false;
    };
    let this = env::current_exe().expect("a program");
    let ran = unshare.arg(this).args(["--exact", test, "--nocapture"]).env(INNER, "1").output().expect("it runs");
    let said = [ran.stdout, ran.stderr].concat();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&said));
    false
}

/// The command that runs another one where it may mount, if there is such a place.
fn unshare() -> Option<Command> {
    [vec!["--mount"], vec!["--mount", "--map-root-user"]].into_iter().find_map(|arguments| {
        let command = || {
            let mut command = Command::new("unshare");
            command.args(&arguments).arg("--");
            command
        };
        let mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", "/mnt"];
        let tried = command().args(mount).stdout(Stdio::null()).stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success()).then(command)
    })
}

/// A small disk.
pub(crate) struct Disk(PathBuf);

impl Disk {
    /// Mounts one of so many MiB at a directory, which is made if it is not there.
    pub(crate) fn mounted(at: &Path, mib: u64) -> Self {
        fs::create_dir_all(at).expect("a directory");
        let size = format!("size={mib}m");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(at).status();
        assert!(mount.expect("mount runs").success());
        Self(at.to_owned())
    }

    /// So many bytes are free.
    pub(crate) fn free(&self) -> u64 {
        let about = statvfs(&self.0).expect("a disk");
        about.f_bavail * about.f_frsize
    }

    /// Somebody else fills it until so many bytes are free. What is given back meanwhile is not taken.
    pub(crate) fn fill_to(&self, free: u64) {
        let file = File::options().create(true).append(true).open(self.filler()).expect("a file");
        let mut over = u64::MAX;
        loop {
            // Who works here takes places too, meanwhile, and may have given the reserve back.
            over = over.min(self.free().saturating_sub(free));
            let from = file.metadata().expect("a file").len();
            if over == 0 || fallocate(&file, FallocateFlags::empty(), from, over).is_ok() {
                return;
            }
        }
    }

    /// What filled it is removed.
    pub(crate) fn clear(&self) {
        fs::remove_file(self.filler()).expect("removed");
    }

    fn filler(&self) -> PathBuf {
        self.0.join("somebody-elses")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whatever is still at work there is of this test, and so is its view of the mounts, which ends with it.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
