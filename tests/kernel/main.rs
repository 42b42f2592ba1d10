//! Tests against a real IPVS kernel, inside the guest. Each has a network namespace of its own, and Debian's `ipvsadm`
//! as its witness.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's way to fail")]

use std::thread;
use std::time::{Duration, Instant};

mod apply;
mod batch;
mod cli;
mod client;
mod connection;
mod daemon;
mod destination;
mod differential;
mod drain;
mod faces;
mod manual;
mod namespace;
mod policy;
mod pool;
mod restore;
mod save;
mod security;
mod service;
mod setting;
mod timeouts;

/// Looks until it is so: counters lag by up to two seconds, a program's name by the rest of its start.
fn eventually<T: PartialEq + std::fmt::Debug>(look: impl Fn() -> T, expected: &T) {
    let begin = Instant::now();
    while look() != *expected {
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?} is not {expected:?}", look());
        thread::sleep(Duration::from_millis(50));
    }
}
