//! What became of a batch.

use std::borrow::Borrow;
use std::fmt::Display;

use ipvs_core::{Command, Error, Outcome};
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::error::raise;
use crate::log::{log, logger};
use crate::python::member;

/// What became of a batch. A command that fails does not stop the rest, so look at it: `check` raises what failed.
#[pyclass(frozen, module = "ipvs")]
pub(crate) struct Report {
    /// The exceptions are made when they are asked for: a kept one would keep the frames that it went through.
    failed: Vec<(usize, Error)>,
    interrupted: Option<Error>,
    /// Of those that were sent.
    outcomes: Vec<Sent>,
    total: usize,
}

/// What became of a command that was sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    Done,
    Failed,
    Unknown,
}

impl Report {
    /// Nothing is sent yet.
    pub fn new(total: usize) -> Self {
        Self { failed: Vec::new(), interrupted: None, outcomes: Vec::with_capacity(total), total }
    }

    /// Takes in what became of the next commands.
    pub fn extend(
        &mut self,
        python: Python<'_>,
        commands: &[impl Borrow<Command>],
        report: ipvs_core::Report,
    ) -> PyResult<()> {
        let start = self.outcomes.len();
        let is_logged = logger(python)?.is_some();
        for (command, outcome) in commands.iter().map(Borrow::borrow).zip(report.outcomes()) {
            self.outcomes.push(match outcome {
                Outcome::Done => Sent::Done,
                Outcome::Failed(_) => Sent::Failed,
                Outcome::Unknown => Sent::Unknown,
                Outcome::NotSent => break,
            });
            if is_logged {
                let operation = command.operation();
                let unknown = format!("cannot {operation}: whether it was done is not known");
                let error: Option<&dyn Display> = match outcome {
                    Outcome::Failed(error) => Some(error),
                    Outcome::Unknown => Some(&unknown),
                    Outcome::Done | Outcome::NotSent => None,
                };
                log(python, &operation, error)?;
            }
        }
        self.failed.extend(report.failed.into_iter().map(|(position, error)| (start + position, error)));
        self.interrupted = report.interrupted;
        Ok(())
    }

    pub fn is_interrupted(&self) -> bool {
        self.interrupted.is_some()
    }
}

#[pymethods]
impl Report {
    /// The commands that were refused: position in the batch, from 0, and the error.
    #[getter]
    fn failed<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(
            python,
            self.failed.iter().map(|(position, error)| (*position, raise(python, error).into_value(python))),
        )
    }

    /// The error that ended the batch before its end; None if nothing did.
    #[getter]
    fn interrupted(&self, python: Python<'_>) -> Option<Py<PyBaseException>> {
        self.interrupted.as_ref().map(|error| raise(python, error).into_value(python))
    }

    /// The Outcome of each command, in order.
    #[getter]
    fn outcomes<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let member = |text| member(python, "Outcome", text);
        let (done, failed) = (member("done")?, member("failed")?);
        let (unknown, not_sent) = (member("unknown")?, member("not-sent")?);
        let sent = self.outcomes.iter().map(|sent| match sent {
            Sent::Done => &done,
            Sent::Failed => &failed,
            Sent::Unknown => &unknown,
        });
        let rest = std::iter::repeat_n(&not_sent, self.total - self.outcomes.len());
        PyTuple::new(python, sent.chain(rest).collect::<Vec<_>>())
    }

    /// Whether every command was done.
    #[getter]
    fn is_done(&self) -> bool {
        self.failed.is_empty() && self.interrupted.is_none() && self.outcomes.len() == self.total
    }

    /// Raises the first error, if there is any: of a command that was refused, or what ended the batch.
    fn check(&self, python: Python<'_>) -> PyResult<()> {
        let error = self.failed.first().map(|(_, error)| error).or(self.interrupted.as_ref());
        error.map_or(Ok(()), |error| Err(raise(python, error)))
    }

    fn __repr__(&self) -> String {
        let done = self.outcomes.iter().filter(|sent| **sent == Sent::Done).count();
        format!("<Report of {} commands: {done} done, {} failed>", self.total, self.failed.len())
    }
}
