//! Faults: what is killed, what runs out, what others do meanwhile. What has to come of each is in `docs/reliability.md`. One
//! at a time, as some are the whole process's or the whole guest's, in a boot of the guest's own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's way to fail")]

#[path = "../kernel/namespace.rs"]
#[expect(dead_code, reason = "the kernel's tests use the rest")]
mod namespace;

mod exhaustion;
mod fight;
mod kills;
mod time;

use std::sync::{Mutex, MutexGuard, PoisonError};

use namespace::Namespace;

/// A namespace, and nobody else at work.
fn alone() -> (MutexGuard<'static, ()>, Namespace) {
    static ALONE: Mutex<()> = Mutex::new(());
    (ALONE.lock().unwrap_or_else(PoisonError::into_inner), Namespace::enter())
}
