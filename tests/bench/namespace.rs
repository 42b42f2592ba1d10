//! A network namespace for one round, with an empty table, and the waiting that keeps rounds apart.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::Result;

/// How long the kernel may take to clear away after a round.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

/// The calling thread is in a new network namespace, whose `lo` is up. After an error it stays there: the guest ends.
pub struct Namespace {
    name: String,
    before: File,
}

impl Namespace {
    pub fn enter() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("bench-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let before = File::open("/proc/thread-self/ns/net")?;
        ip(&["netns", "add", &name])?;
        let inside = File::open(format!("/run/netns/{name}"))?;
        move_into_link_name_space(inside.as_fd(), Some(LinkNameSpaceType::Network))?;
        ip(&["link", "set", "lo", "up"])?;
        Ok(Self { name, before })
    }

    /// Back to the namespace before; deletes this one and waits until the kernel has cleared it away.
    pub fn leave(self) -> Result<()> {
        move_into_link_name_space(self.before.as_fd(), Some(LinkNameSpaceType::Network))?;
        ip(&["netns", "delete", &self.name])?;
        settle()
    }
}

/// Does something in a namespace of its own. Sockets in it have to be closed when it ends, as they keep it alive.
pub fn within<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let namespace = Namespace::enter()?;
    let done = work()?;
    namespace.leave()?;
    Ok(done)
}

/// The kernel deletes a namespace, table and all, in the background. It has done when the guest is idle.
fn settle() -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < SETTLED_WITHIN {
        let (idle_before, total_before) = ticks()?;
        thread::sleep(Duration::from_millis(100));
        let (idle, total) = ticks()?;
        if (idle - idle_before) * 10 >= (total - total_before) * 9 {
            return Ok(());
        }
    }
    Err(format!("the guest is still busy {} s after a round", SETTLED_WITHIN.as_secs()).into())
}

/// Time that the guest was idle, and all its time.
fn ticks() -> Result<(u64, u64)> {
    let text = fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = line.split_whitespace().skip(1).map(str::parse).collect::<std::result::Result<_, _>>()?;
    Ok((*ticks.get(3).ok_or("/proc/stat has another form")?, ticks.iter().sum()))
}

fn ip(arguments: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(arguments).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()).into())
}
