//! A network namespace for one test, with an IPVS table of its own, and programs run in it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Debian's, by its full path: ours may come first in `PATH`.
pub const WITNESS: &str = "/usr/sbin/ipvsadm";

/// The calling thread is in a new network namespace, whose `lo` is up, until this is dropped.
pub struct Namespace {
    name: String,
    before: File,
}

impl Namespace {
    /// Panics outside the guest: a test never touches the machine it runs on.
    pub fn enter() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        assert!(
            std::env::var_os("IPVS_GUEST").is_some(),
            "this test needs the guest kernel: run 'make test-kernel', not 'cargo test'"
        );
        let name = format!("test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let before = File::open("/proc/thread-self/ns/net").unwrap();
        run("ip", ["netns", "add", &name]).success();
        let inside = File::open(format!("/run/netns/{name}")).unwrap();
        move_into_link_name_space(inside.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        run("ip", ["link", "set", "lo", "up"]).success();
        Self { name, before }
    }

    /// Its name in `/run/netns`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Does something in a thread that is in this namespace.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let file = File::open(format!("/run/netns/{}", self.name)).unwrap();
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
                work()
            });
            thread.join().unwrap()
        })
    }

    /// What Debian's `ipvsadm` saves of this namespace: its rules, one a line.
    #[expect(clippy::unused_self, reason = "only inside a namespace is there a table to look at")]
    pub fn witness(&self) -> Vec<String> {
        run(WITNESS, ["-S", "-n"]).success().lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// Debian's `ipvsadm` with these arguments.
    #[expect(clippy::unused_self, reason = "as above")]
    pub fn debian(&self, arguments: &str) -> Ran {
        run(WITNESS, arguments.split_whitespace())
    }

    /// Our `ipvsadm` with these arguments.
    #[expect(clippy::unused_self, reason = "as above")]
    pub fn ours(&self, arguments: &str) -> Ran {
        run(built("ipvsadm"), arguments.split_whitespace())
    }

    /// An interface with this address, for a sync daemon to be on: what is sent there is gone.
    #[expect(clippy::unused_self, reason = "as above")]
    pub fn add_interface(&self, name: &str, address: &str) {
        for arguments in [
            format!("link add {name} type dummy"),
            format!("link set {name} up"),
            format!("address add {address} dev {name}"),
        ] {
            run("ip", arguments.split(' ')).success();
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let back = move_into_link_name_space(self.before.as_fd(), Some(LinkNameSpaceType::Network));
        let deleted = run("ip", ["netns", "delete", &self.name]);
        if !std::thread::panicking() {
            back.unwrap();
            deleted.success();
        }
    }
}

/// A program of this build, beside the test's own executable.
pub fn built(name: &str) -> PathBuf {
    let target = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned();
    let path = target.join(name);
    assert!(path.exists(), "{} is not built: run 'make build'", path.display());
    path
}

/// What `make build` made, in the tree.
pub fn tree(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name(path);
    assert!(path.exists(), "{} is missing: run 'make build'", path.display());
    path
}

/// Looks until it is so: counters lag by up to two seconds, a program's name by the rest of its start.
pub fn eventually<T: PartialEq + std::fmt::Debug>(look: impl Fn() -> T, expected: &T) {
    let begin = Instant::now();
    while look() != *expected {
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?} is not {expected:?}", look());
        thread::sleep(Duration::from_millis(50));
    }
}

/// What a program did.
#[derive(Debug)]
pub struct Ran {
    command: String,
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Its standard output; panics if it failed.
    pub fn success(self) -> String {
        assert_eq!(self.status, Some(0), "{}: {}", self.command, self.stderr);
        self.stdout
    }
}

/// Runs a program in the namespace of the calling thread, with this as its standard input.
pub fn run_with_input(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    input: impl AsRef<[u8]>,
) -> Ran {
    let mut command = Command::new(program);
    command.args(arguments).stdin(file_of(input));
    ran(command)
}

/// A file of this, to be read from its start.
pub fn file_of(content: impl AsRef<[u8]>) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content.as_ref()).unwrap();
    file.rewind().unwrap();
    file
}

/// Runs a program in the namespace of the calling thread.
pub fn run(program: impl AsRef<OsStr>, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ran {
    let mut command = Command::new(program);
    command.args(arguments);
    ran(command)
}

/// Runs a program that is told all else already.
pub fn ran(mut command: Command) -> Ran {
    let shown = format!("{command:?}");
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|error| panic!("{shown}: {error}"));
    let ran = Ran {
        command: shown,
        status: status.code(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    };
    if command.get_program() != WITNESS {
        note(&ran.command, &ran.stderr);
    }
    ran
}

/// Keeps what a program says of errors for the page of all messages, if `make messages` asks for it.
pub fn note(command: &str, said: &str) {
    let Some(path) = std::env::var_os("IPVS_MESSAGES") else { return };
    let mut file = File::options().append(true).create(true).open(path).unwrap();
    for line in said.lines() {
        file.write_all(format!("ipvsadm\t{}\t{line}\n", command.escape_debug()).as_bytes()).unwrap();
    }
}
