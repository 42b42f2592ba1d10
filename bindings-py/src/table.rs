//! Tables as they should be, scopes, plans, and what became of applying one.

use ipvs_core::rules::RuleDisplay;
use ipvs_core::{Error, OtherWriter, Scope, ScopePart};
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyList, PyString, PyTuple};

use crate::argument::{items, parsed, text, wanted, wrong_type};
use crate::command::Command;
use crate::destination::{Destination, NO_SETTINGS, destination};
use crate::error::{invalid, raise, rule_error};
use crate::lock::other_writer;
use crate::log::{log, log_change, warn};
use crate::service::{Service, settings};

/// A table as it is or should be: services with their destinations, without counters. It never changes.
///
/// `services` are pairs of a Service and an iterable of its destinations, each a Destination or its text; a snapshot is made
/// of such pairs, one for each service. Iterating gives pairs of a Service and a tuple of
/// Destination, by id and by address; its text is its rules.
#[pyclass(frozen, eq, hash, module = "ipvs")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Table(pub(crate) ipvs_core::Table);

/// A table as a method takes it: a `Table`, rules, or what a `Table` is made of.
pub(crate) fn table(value: &Bound<'_, PyAny>) -> PyResult<ipvs_core::Table> {
    if let Ok(table) = value.cast::<Table>() {
        Ok(table.get().0.clone())
    } else if value.is_instance_of::<PyString>() {
        let (python, text) = (value.py(), text("table", value)?);
        python.detach(|| ipvs_core::Table::wanted_by_rules(text)).map_err(|error| rule_error(python, "table", &error))
    } else {
        from_pairs("table", "a Table, rules as a str or an iterable of pairs", value)
    }
}

fn from_pairs(name: &'static str, needed: &str, value: &Bound<'_, PyAny>) -> PyResult<ipvs_core::Table> {
    let mut table = ipvs_core::Table::new();
    let pair = |pair: &Bound<'_, PyAny>| {
        let wrong = |_| wrong_type(name, "a pair of a Service and its destinations (rules are one str)", pair);
        let (service, destinations): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair.extract().map_err(wrong)?;
        let read = |given: &Bound<'_, PyAny>| destination(given, NO_SETTINGS);
        let (service, needed) = (settings(&service)?.clone(), "an iterable of Destination");
        let destinations = wanted("destinations", needed, format_args!(" of {}", service.id), &destinations, read)?;
        Ok((service, destinations))
    };
    for (service, destinations) in wanted(name, needed, "", value, pair)? {
        table.add(service, destinations).map_err(|error| invalid(value.py(), &error))?;
    }
    table.check().map_err(|error| invalid(value.py(), &error))?;
    Ok(table)
}

#[pymethods]
impl Table {
    #[new]
    #[pyo3(signature = (services = None), text_signature = "(services=())")]
    fn new(services: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let read = |services| from_pairs("services", "an iterable of pairs", services);
        services.map_or_else(|| Ok(ipvs_core::Table::new()), read).map(Self)
    }

    /// The table that rules make of an empty one, such as `ipvsadm -S -n` writes them. What is no rule, and what the kernel
    /// would refuse after the lines before it, raises a `RuleError`.
    #[staticmethod]
    fn from_rules(python: Python<'_>, text: &Bound<'_, PyAny>) -> PyResult<Self> {
        let text = self::text("text", text)?;
        let table = python.detach(|| ipvs_core::Table::from_rules(text));
        table.map(Self).map_err(|error| rule_error(python, "text", &error))
    }

    /// The rules that make it of an empty table, a line each.
    fn to_rules(&self) -> String {
        self.0.to_rules()
    }

    fn __str__(&self) -> String {
        self.to_rules()
    }

    fn __repr__(&self, python: Python<'_>) -> PyResult<String> {
        Ok(format!("Table({})", self.pairs(python)?.repr()?.to_string_lossy()))
    }

    fn __len__(&self) -> usize {
        self.0.services().count()
    }

    fn __iter__<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.pairs(python)?.try_iter()
    }

    fn __getnewargs__<'py>(&self, python: Python<'py>) -> PyResult<(Bound<'py, PyTuple>,)> {
        Ok((self.pairs(python)?,))
    }
}

impl Table {
    fn pairs<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let mut pairs = Vec::new();
        for (service, destinations) in self.0.services() {
            let destinations: Vec<_> = destinations.map(|destination| Destination(destination.clone())).collect();
            pairs.push((Service(service.clone()), PyTuple::new(python, destinations)?));
        }
        PyTuple::new(python, pairs)
    }
}

/// The services that are ours: one part as text or as a `Service`, or an iterable of them. None is all.
pub(crate) fn scope(value: Option<&Bound<'_, PyAny>>) -> PyResult<Scope> {
    let part = |value: &Bound<'_, PyAny>| match value.cast::<Service>() {
        Ok(service) => Ok(ScopePart::Service(service.get().0.id)),
        Err(_) => parsed::<ScopePart>("scope", value),
    };
    match value {
        None => Ok(Scope::All),
        Some(value) if value.is_instance_of::<PyString>() || value.is_instance_of::<Service>() => {
            Ok(Scope::Only(vec![part(value)?]))
        }
        Some(value) => items("scope", "a str, a Service or an iterable of them", value, part).map(Scope::Only),
    }
}

/// What turns one table into another: first `additions`, what adds or changes, then `removals`, what takes away. Its text is
/// its rules, a line each; iterating gives all commands in order.
#[pyclass(frozen, eq, hash, module = "ipvs")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Plan(pub(crate) ipvs_core::Plan);

#[pymethods]
impl Plan {
    /// Services and destinations that are added or changed, a tuple of Command.
    #[getter]
    fn additions<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        commands(python, &self.0.additions)
    }

    /// Weights that become 0, and then what is deleted, a tuple of Command.
    #[getter]
    fn removals<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        commands(python, &self.0.removals)
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("<Plan of {} commands>", self.__len__())
    }

    fn __len__(&self) -> usize {
        self.0.additions.len() + self.0.removals.len()
    }

    fn __iter__<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        commands(python, self.0.commands())?.try_iter()
    }
}

fn commands<'py, 'a>(
    python: Python<'py>,
    commands: impl IntoIterator<Item = &'a ipvs_core::Command>,
) -> PyResult<Bound<'py, PyTuple>> {
    let commands: Vec<_> = commands.into_iter().map(|command| Command(command.clone())).collect();
    PyTuple::new(python, commands)
}

/// What became of a table that was applied. Look at it: `check` raises what failed.
#[pyclass(frozen, module = "ipvs")]
pub(crate) struct Applied {
    applied: ipvs_core::Applied,
    /// Taken out of it.
    rollback: Option<Py<Applied>>,
}

impl Applied {
    /// Logs each change with its reason; what was refused is in there for whoever looks closely.
    pub fn new(python: Python<'_>, reason: &str, mut applied: ipvs_core::Applied) -> PyResult<Self> {
        for command in &applied.done {
            log_change(python, reason, &RuleDisplay(command))?;
        }
        for command in &applied.unknown {
            let unknown = format!("{}: whether it was done is not known", RuleDisplay(command));
            log_change(python, reason, &unknown)?;
        }
        for (command, error) in &applied.failed {
            log(python, &command.operation(), Some(error))?;
        }
        for writer in &applied.other_writers {
            let OtherWriter { name, process, .. } = writer;
            let word =
                format!("{name} (process {process}) runs in this network namespace, and may change its table too");
            warn(python, &word)?;
        }
        if let Some(error) = applied.rollback.as_ref().and_then(|back| back.first_error()) {
            warn(python, &format!("{reason}: not all is as before: {error}"))?;
        }
        let back = |back: Box<_>| Py::new(python, Self::new(python, &format!("{reason}, taken back"), *back)?);
        let rollback = applied.rollback.take().map(back).transpose()?;
        Ok(Self { applied, rollback })
    }
}

fn exception(python: Python<'_>, error: Option<&Error>) -> Option<Py<PyBaseException>> {
    error.map(|error| raise(python, error).into_value(python))
}

#[pymethods]
impl Applied {
    /// What was done, in order, a tuple of Command: nothing if the table was right already.
    #[getter]
    fn done<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        commands(python, &self.applied.done)
    }

    /// What the kernel refused: pairs of a Command and the error.
    #[getter]
    fn failed<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let failed = self.applied.failed.iter().map(|(command, error)| {
            (Command(command.clone()), raise(python, error).into_value(python)).into_pyobject(python)
        });
        PyList::new(python, failed.collect::<PyResult<Vec<_>>>()?)
    }

    /// What was sent, and whether it was done is not known, a tuple of Command.
    #[getter]
    fn unknown<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        commands(python, &self.applied.unknown)
    }

    /// What was not sent, a tuple of Command: what takes away, where something that adds was refused and nobody would be left to
    /// answer; and what came after an interruption.
    #[getter]
    fn not_sent<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        commands(python, &self.applied.not_sent)
    }

    /// The error that ended it before its end; None if nothing did.
    #[getter]
    fn interrupted(&self, python: Python<'_>) -> Option<Py<PyBaseException>> {
        exception(python, self.applied.interrupted.as_ref())
    }

    /// What became of restoring the settings from before, an Applied; None where that was not asked for or not needed.
    #[getter]
    fn rollback(&self, python: Python<'_>) -> Option<Py<Self>> {
        self.rollback.as_ref().map(|back| back.clone_ref(python))
    }

    /// Who else may have changed the table, a list of `OtherWriter`: looked for by `adopt`, by `reconcile` when it found drift, and
    /// when somebody else's changes were in the way each time. Each is logged at the level WARNING.
    #[getter]
    fn other_writers<'py>(&self, python: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        self.applied.other_writers.iter().map(|writer| other_writer(python, writer)).collect()
    }

    /// Whether anything was changed, or may have been.
    #[getter]
    fn is_changed(&self) -> bool {
        self.applied.is_changed()
    }

    /// Whether the table is what it should be.
    #[getter]
    fn is_done(&self) -> bool {
        self.applied.is_done()
    }

    /// Raises the first error, if there is any: of a command that was refused, or what ended it.
    fn check(&self, python: Python<'_>) -> PyResult<()> {
        self.applied.first_error().map_or(Ok(()), |error| Err(raise(python, error)))
    }

    fn __repr__(&self) -> String {
        let applied = &self.applied;
        let (done, failed, not_sent) = (applied.done.len(), applied.failed.len(), applied.not_sent.len());
        format!("<Applied: {done} done, {failed} failed, {not_sent} not sent>")
    }
}
