//! Network namespaces: work done in another one, without the calling thread ever leaving its own.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Where `ip netns add` puts namespaces.
const NAMED: &str = "/run/netns";
const CURRENT: &str = "/proc/thread-self/ns/net";

/// A network namespace, kept alive by an open file.
#[derive(Debug)]
pub(crate) struct Namespace {
    file: File,
    path: PathBuf,
}

impl Namespace {
    /// The namespace of this name, or at this path if there is a slash in it.
    pub fn open(name: &str) -> io::Result<Self> {
        let path = if name.contains('/') { PathBuf::from(name) } else { Path::new(NAMED).join(name) };
        let file = File::open(&path).map_err(|error| {
            io::Error::new(error.kind(), format!("the network namespace {}: {error}", path.display()))
        })?;
        Ok(Self { file, path })
    }

    /// The namespace of the calling thread; nothing where `/proc` is out of reach, as after a chroot.
    pub fn current() -> Option<Self> {
        Some(Self { file: File::open(CURRENT).ok()?, path: PathBuf::from(CURRENT) })
    }

    /// Where it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Does the work in a thread that enters the namespace, or right here if this thread is in it.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        if self.is_current() {
            return work();
        }
        thread::scope(|scope| {
            let entered = thread::Builder::new().name("ipvs-netns".to_owned()).spawn_scoped(scope, || {
                move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network)).map_err(|errno| {
                    let error = io::Error::from(errno);
                    io::Error::new(error.kind(), format!("cannot enter {}: {error}", self.path.display()))
                })?;
                work()
            })?;
            entered.join().unwrap_or_else(|_| Err(io::Error::other("the thread in the network namespace panicked")))
        })
    }

    fn is_current(&self) -> bool {
        let same = |other: fs::Metadata| {
            self.file.metadata().is_ok_and(|this| (this.dev(), this.ino()) == (other.dev(), other.ino()))
        };
        fs::metadata(CURRENT).is_ok_and(same)
    }
}
