//! Destinations that are being drained.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ipvs_core::{Client, DrainProgress, DrainState, Error, Operation, ServiceId};
use pyo3::prelude::*;

use crate::argument;
use crate::error::raise;
use crate::held::Held;
use crate::log::{log, log_change};
use crate::python::{member, record, sleep};

/// A destination that is being drained: it has weight 0, and is deleted once its connections are gone or its deadline has
/// passed. Nothing happens by itself: each step looks once. Dropped, it leaves the destination with weight 0.
#[pyclass(frozen, module = "ipvs")]
pub(crate) struct Drain {
    /// It lives as long as one of its drains.
    client: Arc<Client>,
    service: ServiceId,
    address: SocketAddr,
    held: Held<ipvs_core::Drain>,
}

impl Drain {
    pub fn new(client: Arc<Client>, service: ServiceId, address: SocketAddr, drain: ipvs_core::Drain) -> Self {
        Self { client, service, address, held: Held::new(drain) }
    }

    /// Does something with it while other Python threads run, and logs what that was.
    fn run<T: Send>(
        &self,
        python: Python<'_>,
        operation: Operation,
        run: impl FnOnce(&mut ipvs_core::Drain) -> Result<T, Error> + Send,
    ) -> PyResult<T> {
        let result = self.held.with(python, run)?;
        log(python, &operation, result.as_ref().err().map(|error| error as &dyn Display))?;
        result.map_err(|error| raise(python, &error))
    }

    /// Looks once.
    fn look(&self, python: Python<'_>) -> PyResult<DrainProgress> {
        let step = |drain: &mut ipvs_core::Drain| Ok((drain.state(), drain.step(&self.client)?));
        let (before, progress) = self.run(python, Operation::Destinations(self.service), step)?;
        let is_deleted = matches!(progress.state, DrainState::Drained | DrainState::DeadlinePassed);
        if before == DrainState::Waiting && is_deleted {
            let operation = Operation::DeleteDestination(self.service, self.address);
            log_change(python, &progress.state.to_string(), &operation)?;
        }
        Ok(progress)
    }
}

fn to_python<'py>(python: Python<'py>, progress: &DrainProgress) -> PyResult<Bound<'py, PyAny>> {
    let fields = (
        member(python, "DrainState", &progress.state.to_string())?,
        progress.active_connections,
        progress.inactive_connections,
        progress.persistent_connections,
    );
    record(python, "DrainProgress", fields)
}

#[pymethods]
impl Drain {
    /// Looks how many connections are left, deletes the destination if it is time, and says how it stands: a `DrainProgress`.
    /// After that, only the state is told.
    fn step<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(python, &self.look(python)?)
    }

    /// Steps, and again every `interval` seconds: an iterator of `DrainProgress`, the last of which does not wait any more.
    #[pyo3(signature = (*, interval = None), text_signature = "(self, *, interval=0.5)")]
    fn wait(slf: Bound<'_, Self>, interval: Option<&Bound<'_, PyAny>>) -> PyResult<Steps> {
        let interval = interval.map_or(Ok(Duration::from_millis(500)), argument::interval)?;
        Ok(Steps { drain: slf.unbind(), interval, pause: Mutex::new(Some(Duration::ZERO)) })
    }

    /// Restores the weight that it had, if it still waits, and says whether it did. A weight that somebody else gave it
    /// meanwhile stays. After an error it still waits.
    fn cancel(&self, python: Python<'_>) -> PyResult<bool> {
        let cancel = |drain: &mut ipvs_core::Drain| Ok((drain.cancel(&self.client)?, drain.weight_before()));
        let operation = Operation::SetWeight(self.service, self.address);
        let (restored, weight) = self.run(python, operation, cancel)?;
        if restored {
            log_change(python, "drain cancelled", &format!("{operation} to {weight}"))?;
        }
        Ok(restored)
    }

    fn __repr__(&self) -> String {
        format!("<Drain of {} of {}>", self.address, self.service)
    }
}

/// The steps of a drain, with pauses between.
#[pyclass(frozen, module = "ipvs")]
pub(crate) struct Steps {
    drain: Py<Drain>,
    interval: Duration,
    /// Before the next step; nothing after the last one.
    pause: Mutex<Option<Duration>>,
}

#[pymethods]
impl Steps {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, python: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let pause = || self.pause.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(time) = *pause() else { return Ok(None) };
        let drain = self.drain.get();
        // It does not sleep past the deadline.
        let left = drain.held.with(python, |drain| drain.left())?;
        sleep(python, left.map_or(time, |left| time.min(left)))?;
        let progress = drain.look(python)?;
        *pause() = (progress.state == DrainState::Waiting).then_some(self.interval);
        to_python(python, &progress).map(Some)
    }
}
