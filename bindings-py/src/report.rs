//! What became of a batch.

use std::borrow::Borrow;
use std::fmt::Display;

use ipvs_core::{Command, Error, Outcome};
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::error::raise;
use crate::log::{DEBUG, log, logger};
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
    /// The line of each command of a restore; none of a batch.
    lines: Vec<usize>,
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
    pub fn new(total: usize, lines: Vec<usize>) -> Self {
        Self { failed: Vec::new(), interrupted: None, outcomes: Vec::with_capacity(total), total, lines }
    }

    /// Takes in what became of the next commands.
    pub fn extend(&mut self, report: ipvs_core::Report) {
        let start = self.outcomes.len();
        self.outcomes.extend(report.outcomes().map_while(|outcome| match outcome {
            Outcome::Done => Some(Sent::Done),
            Outcome::Failed(_) => Some(Sent::Failed),
            Outcome::Unknown => Some(Sent::Unknown),
            Outcome::NotSent => None,
        }));
        self.failed.extend(report.failed.into_iter().map(|(position, error)| (start + position, error)));
        self.interrupted = report.interrupted;
    }

    pub fn is_interrupted(&self) -> bool {
        self.interrupted.is_some()
    }

    /// The exception for a command that was refused.
    fn refused(&self, python: Python<'_>, position: usize, error: &Error) -> PyResult<PyErr> {
        let raised = raise(python, error);
        if let Some(line) = self.lines.get(position) {
            raised.value(python).setattr("line", line)?;
        }
        Ok(raised)
    }
}

/// Logs what became of commands, if anybody wants to know.
pub(crate) fn log_all(
    python: Python<'_>,
    commands: &[impl Borrow<Command>],
    report: &ipvs_core::Report,
) -> PyResult<()> {
    if logger(python, DEBUG)?.is_none() {
        return Ok(());
    }
    for (command, outcome) in commands.iter().map(Borrow::borrow).zip(report.outcomes()) {
        let operation = command.operation();
        let unknown = format!("cannot {operation}: whether it was done is not known");
        let error: Option<&dyn Display> = match outcome {
            Outcome::Done => None,
            Outcome::Failed(error) => Some(error),
            Outcome::Unknown => Some(&unknown),
            Outcome::NotSent => break,
        };
        log(python, &operation, error)?;
    }
    Ok(())
}

#[pymethods]
impl Report {
    /// The commands that were refused: position among the commands, from 0, and the error. That of a restore has its `line`.
    #[getter]
    fn failed<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let failed = self
            .failed
            .iter()
            .map(|(position, error)| Ok((*position, self.refused(python, *position, error)?.into_value(python))));
        PyList::new(python, failed.collect::<PyResult<Vec<_>>>()?)
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
        match (self.failed.first(), &self.interrupted) {
            (Some((position, error)), _) => Err(self.refused(python, *position, error)?),
            (None, Some(error)) => Err(raise(python, error)),
            (None, None) => Ok(()),
        }
    }

    fn __repr__(&self) -> String {
        let done = self.outcomes.iter().filter(|sent| **sent == Sent::Done).count();
        format!("<Report of {} commands: {done} done, {} failed>", self.total, self.failed.len())
    }
}
