//! What threads take turns with, also over a fork.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::Duration;

use ipvs_core::process_number;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// How often, and how long after each time, a child looks whether another thread of its own has it: that one is about to say so.
const LOOKS: u32 = 100;
const LOOK: Duration = Duration::from_millis(1);

/// A value for one thread at a time, which may keep it for the time of an exchange. A child that was forked meanwhile has a copy of
/// what a thread was in the middle of, which nobody gives back there: to wait for it would be for ever.
pub(crate) struct Held<T> {
    value: Mutex<T>,
    /// The last process in which a thread had it.
    process: AtomicU32,
}

impl<T: Send> Held<T> {
    pub fn new(value: T) -> Self {
        Self { value: Mutex::new(value), process: AtomicU32::new(process_number()) }
    }

    /// Does something with it while other Python threads run.
    pub fn with<R: Send>(&self, python: Python<'_>, work: impl FnOnce(&mut T) -> R + Send) -> PyResult<R> {
        let done = python.detach(|| self.take().map(|mut value| work(&mut value)));
        done.ok_or_else(|| {
            PyRuntimeError::new_err(
                "another thread used it when this process was forked; make another one in the child",
            )
        })
    }

    /// Nothing if a thread of a parent had it when this process was forked.
    fn take(&self) -> Option<MutexGuard<'_, T>> {
        let own = process_number();
        for _ in 0..LOOKS {
            if self.process.load(Ordering::Acquire) == own {
                return Some(self.value.lock().unwrap_or_else(PoisonError::into_inner));
            }
            let value = match self.value.try_lock() {
                Ok(value) => value,
                Err(TryLockError::Poisoned(error)) => error.into_inner(),
                Err(TryLockError::WouldBlock) => {
                    thread::sleep(LOOK);
                    continue;
                }
            };
            self.process.store(own, Ordering::Release);
            return Some(value);
        }
        None
    }
}
