//! What SECURITY.md promises.

mod calls;
mod environment;
mod privileges;
mod rules;
mod source;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use rustix::fs::{XattrFlags, setxattr};
use tempfile::TempDir;

use crate::namespace::{Ran, built};

const PROGRAMS: [&str; 3] = ["ipvsadm", "ipvsadm-save", "ipvsadm-restore"];

/// Starts a program as an ordinary user who has no capability, but can get these from the program's file.
fn bounded(capabilities: &str, program: impl AsRef<Path>) -> Command {
    as_nobody(&["bounding-set"], capabilities, program)
}

/// Starts a program as an ordinary user who has these capabilities and can get no other.
fn ordinary(capabilities: &str, program: impl AsRef<Path>) -> Command {
    as_nobody(&["bounding-set", "inh-caps", "ambient-caps"], capabilities, program)
}

/// Starts a program as an ordinary user in whose sets these capabilities are, and no other.
fn as_nobody(sets: &[&str], capabilities: &str, program: impl AsRef<Path>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    for set in sets {
        command.arg(format!("--{set}=-all,{capabilities}"));
    }
    command.arg(program.as_ref());
    command
}

/// `CAP_NET_ADMIN` and `CAP_SYS_ADMIN`, as the kernel numbers them.
const NET_ADMIN: u32 = 12;
const SYS_ADMIN: u32 = 21;

/// Copies of the programs that have the capabilities themselves, as `setcap cap_net_admin=ep` gives one.
fn with_file_capability(numbers: &[u32]) -> TempDir {
    // Revision 2 and effective; permitted; inheritable; the same of the higher capabilities (`struct vfs_cap_data`).
    let permitted = numbers.iter().fold(0, |all, number| all | 1 << number);
    let words: [u32; 5] = [0x0200_0001, permitted, 0, 0, 0];
    let value: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    for program in PROGRAMS {
        let copy = folder.path().join(program);
        fs::copy(built(program), &copy).unwrap();
        setxattr(&copy, "security.capability", &value, XattrFlags::CREATE).unwrap();
    }
    folder
}

fn said(ran: &Ran) -> (Option<i32>, &str, &str) {
    (ran.status, &ran.stdout, &ran.stderr)
}
