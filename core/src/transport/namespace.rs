//! Network namespaces: work done in another one, without the calling thread ever leaving its own.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Where `ip netns add` puts namespaces.
const NAMED: &str = "/run/netns";
const CURRENT: &str = "/proc/thread-self/ns/net";

/// Room for a thread, in bytes: what the standard library gives by itself, whatever `RUST_MIN_STACK` says.
const STACK: usize = 2 << 20;

/// A network namespace, kept alive by an open file.
#[derive(Debug)]
pub(crate) struct Namespace {
    file: File,
    /// Its name or path; nothing for the one that the process was in.
    name: Option<String>,
}

impl Namespace {
    /// The namespace of this name, or at this path if there is a slash in it.
    pub fn open(name: &str) -> io::Result<Self> {
        let path = if name.contains('/') { PathBuf::from(name) } else { Path::new(NAMED).join(name) };
        // If it is a pipe, nobody is waited for.
        let file = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(&path)?;
        Ok(Self { file, name: Some(path.display().to_string()) })
    }

    /// The namespace of the calling thread; nothing where `/proc` is out of reach, as after a chroot. That there is no room for
    /// another file is an error, as it would be forgotten then where the thread was.
    pub fn current() -> io::Result<Option<Self>> {
        match File::open(CURRENT) {
            Ok(file) => Ok(Some(Self { file, name: None })),
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM) => Err(error),
                _ => Ok(None),
            },
        }
    }

    /// Its name or path; nothing for the one that the process was in.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Does the work in a thread that enters the namespace, or right here if this thread is in it. The error is that it
    /// cannot be entered.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        if self.is_current() {
            return Ok(work());
        }
        thread::scope(|scope| {
            let thread = thread::Builder::new().name("ipvs-netns".to_owned()).stack_size(STACK);
            let entered = thread.spawn_scoped(scope, || {
                move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))?;
                Ok(work())
            })?;
            entered.join().unwrap_or_else(|_| Err(io::Error::other("the thread in it panicked")))
        })
    }

    fn is_current(&self) -> bool {
        let same = |other: fs::Metadata| {
            self.file.metadata().is_ok_and(|this| (this.dev(), this.ino()) == (other.dev(), other.ino()))
        };
        match fs::metadata(CURRENT) {
            Ok(current) => same(current),
            // A process that gave up `/proc`, by a chroot for example, has not gone elsewhere.
            Err(_) => self.name.is_none(),
        }
    }
}
