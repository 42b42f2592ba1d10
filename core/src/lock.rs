//! A lock for each network namespace, by which programs that look after pools keep out of each other's way. It is advisory:
//! who does not ask for it is not held up. Besides, who else is known to change IPVS tables.

use std::fs;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::io::Errno;

use crate::connector::Connector;
use crate::transport::Failure;

/// An abstract name of a Unix socket: such names are of a network namespace, and end with whoever holds them.
const NAME: &str = "ipvs/pools";

/// Programs that change IPVS tables by themselves, as the kernel names them: 15 bytes at most.
const OTHERS: [&str; 4] = ["keepalived", "ldirectord", "kube-proxy", "surealived"];

/// The lock of a network namespace, held until it is dropped or the process ends. A child that was forked meanwhile holds it too, until
/// it runs another program or ends.
#[derive(Debug)]
#[must_use = "it is held only until it is dropped"]
pub struct NamespaceLock {
    _socket: UnixListener,
}

/// Why it is not ours.
#[derive(Debug)]
pub(crate) enum Held {
    /// Another process has it; its number, where that can be told.
    By(Option<i32>),
    /// It cannot be asked for.
    Failed(Failure),
}

impl NamespaceLock {
    pub(crate) fn take(connector: &Connector) -> Result<Self, Held> {
        let taken = connector.in_namespace(|| {
            let address = SocketAddr::from_abstract_name(NAME)?;
            match UnixListener::bind_addr(&address) {
                Err(error) if error.raw_os_error() == Some(Errno::ADDRINUSE.raw_os_error()) => Ok(Err(holder())),
                socket => socket.map(Ok),
            }
        });
        match taken {
            Ok(Ok(socket)) => Ok(Self { _socket: socket }),
            Ok(Err(process)) => Err(Held::By(process)),
            Err(failure) => Err(Held::Failed(failure)),
        }
    }
}

/// The process that holds it, if it can be told: it has to show in `/proc`, and what it has open with it.
fn holder() -> Option<i32> {
    let text = fs::read("/proc/thread-self/net/unix").ok()?;
    let inode = inode(&String::from_utf8_lossy(&text))?;
    let socket = PathBuf::from(format!("socket:[{inode}]"));
    let has_it = |process: &Path| {
        let mut files = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        files.any(|file| fs::read_link(file.path()).is_ok_and(|open| open == socket))
    };
    let mut processes = fs::read_dir("/proc").ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    processes.find_map(|path| number(&path).filter(|_| has_it(&path)))
}

/// The inode of the socket that is the lock, in `/proc/net/unix`. The kernel writes names as they are, so whoever has a socket
/// can add lines that look like this one's: where there are two, nobody knows.
pub(crate) fn inode(text: &str) -> Option<u64> {
    let name = format!("@{NAME}");
    let mut found = text.lines().filter_map(|line| {
        // Num RefCount Protocol Flags Type St Inode Path
        let words: Vec<_> = line.split_whitespace().collect();
        (words.get(7)? == &name).then_some(words[6])
    });
    let inode = found.next()?;
    if found.next().is_some() { None } else { inode.parse().ok() }
}

/// The process whose folder in `/proc` it is.
fn number<T: FromStr>(process: &Path) -> Option<T> {
    process.file_name()?.to_str()?.parse().ok()
}

/// Another program that looks after IPVS tables.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct OtherWriter {
    /// Its name.
    pub name: String,
    /// Its process number, the lowest if it has several.
    pub process: u32,
}

/// Those in the namespace. A process that cannot be looked at is none.
pub(crate) fn other_writers(connector: &Connector) -> Result<Vec<OtherWriter>, Failure> {
    connector.in_namespace(|| {
        let own = fs::read_link("/proc/thread-self/ns/net")?;
        let mut found: Vec<_> = fs::read_dir("/proc")?.filter_map(|entry| writer(&entry.ok()?.path(), &own)).collect();
        // Some are several processes: the first one, which ends the others, tells of all.
        found.sort_by(|one, other| (&one.name, one.process).cmp(&(&other.name, other.process)));
        found.dedup_by(|other, one| other.name == one.name);
        Ok::<_, io::Error>(found)
    })
}

fn writer(process: &Path, namespace: &PathBuf) -> Option<OtherWriter> {
    let number = number(process)?;
    let name = fs::read_to_string(process.join("comm")).ok()?.trim_end().to_owned();
    let is_known = OTHERS.contains(&name.as_str()) && fs::read_link(process.join("ns/net")).ok()? == *namespace;
    is_known.then_some(OtherWriter { name, process: number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_adds_a_line_for_the_lock_gets_nobody_blamed() {
        const HEADER: &str = "Num       RefCount Protocol Flags    Type St Inode Path\n";
        const ITS: &str = "0000000000000000: 00000002 00000000 00010000 0001 01 3010 @ipvs/pools\n";
        const OTHER: &str = "0000000000000000: 00000003 00000000 00000000 0001 03 3004 /run/log\n\
                             0000000000000000: 00000003 00000000 00000000 0001 03 3005\n";
        let added = "0000000000000000: 00000002 00000000 00010000 0001 01 9 @a\n0: 2 0 0 1 1 7 @ipvs/pools\n";
        for (lines, found) in [
            (String::new(), None),
            (OTHER.to_owned(), None),
            (format!("{OTHER}{ITS}"), Some(3010)),
            (format!("{added}{ITS}"), None),
            (format!("{ITS}{added}"), None),
            (ITS.replace("3010", "-"), None),
        ] {
            assert_eq!(inode(&format!("{HEADER}{lines}")), found, "{lines}");
        }
    }
}
