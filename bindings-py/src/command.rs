//! Commands as data: for a batch, and for rules.

use std::borrow::Borrow;

use ipvs_core::rules::{RuleDisplay, parse_changes};
use ipvs_core::{Role, Timeouts};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::argument::{self, Keyword, keyword_name, number, object, parsed, unknown, wrong_type};
use crate::daemon::SyncDaemon;
use crate::destination::{Address, Destination, Settings, destination};
use crate::error::{invalid, rule_error};
use crate::python::record;
use crate::service::{Id, Service, settings};

/// One change to the kernel's table, for `Client.batch` and `Client.run`. Its text is the rule of ipvsadm for it.
///
/// The methods that make one have the names and arguments of the Client's methods.
#[pyclass(frozen, eq, hash, module = "ipvs")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Command(pub(crate) ipvs_core::Command);

/// A command that is Python's too: a batch borrows those that it is given.
pub(crate) struct Held(pub(crate) Py<Command>);

impl Borrow<ipvs_core::Command> for Held {
    fn borrow(&self) -> &ipvs_core::Command {
        &self.0.get().0
    }
}

impl Command {
    /// Checked, so that one that cannot be right is found where it is made.
    fn new(python: Python<'_>, command: ipvs_core::Command) -> PyResult<Self> {
        command.check().map_err(|error| invalid(python, &error))?;
        Ok(Self(command))
    }
}

/// A `Timeouts`, or its parts as keywords.
pub(crate) fn timeouts(
    python: Python<'_>,
    timeouts: Option<&Bound<'_, PyAny>>,
    parts: Option<&Bound<'_, PyDict>>,
) -> PyResult<Timeouts> {
    let mut set = Timeouts { tcp: 0, tcp_fin: 0, udp: 0 };
    let seconds = |name, value: &Bound<'_, PyAny>| number(name, value, u32::MAX);
    if let Some(value) = timeouts {
        let wrong = |_| wrong_type("timeouts", "a Timeouts", value);
        let (tcp, tcp_fin, udp): (Bound<'_, PyAny>, Bound<'_, PyAny>, Bound<'_, PyAny>) =
            value.extract().map_err(wrong)?;
        set =
            Timeouts { tcp: seconds("tcp", &tcp)?, tcp_fin: seconds("tcp_fin", &tcp_fin)?, udp: seconds("udp", &udp)? };
    }
    for (name, value) in parts.into_iter().flatten() {
        match &*keyword_name(&name)? {
            "tcp" => set.tcp = seconds("tcp", &value)?,
            "tcp_fin" => set.tcp_fin = seconds("tcp_fin", &value)?,
            "udp" => set.udp = seconds("udp", &value)?,
            other => return Err(unknown(other)),
        }
    }
    set.check().map_err(|error| invalid(python, &error))?;
    Ok(set)
}

#[pymethods]
impl Command {
    /// Adds a virtual service.
    #[staticmethod]
    fn add_service(python: Python<'_>, service: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::new(python, ipvs_core::Command::AddService(settings(service)?.clone()))
    }

    /// Gives a virtual service other settings, all of them.
    #[staticmethod]
    fn edit_service(python: Python<'_>, service: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::new(python, ipvs_core::Command::EditService(settings(service)?.clone()))
    }

    /// Deletes a virtual service and its destinations.
    #[staticmethod]
    fn delete_service(python: Python<'_>, service: Id) -> PyResult<Self> {
        Self::new(python, ipvs_core::Command::DeleteService(service.0))
    }

    /// Adds a destination to a virtual service.
    #[staticmethod]
    #[pyo3(
        signature = (
            service, destination, *, forwarding = Keyword::LEFT_OUT, tunnel = Keyword::LEFT_OUT,
            weight = Keyword::LEFT_OUT, upper_threshold = Keyword::LEFT_OUT, lower_threshold = Keyword::LEFT_OUT
        ),
        text_signature = "(service, destination, *, forwarding='direct-route', tunnel=None, weight=1, \
            upper_threshold=0, lower_threshold=0)"
    )]
    fn add_destination(
        service: Id,
        destination: &Bound<'_, PyAny>,
        forwarding: Keyword<'_, '_>,
        tunnel: Keyword<'_, '_>,
        weight: Keyword<'_, '_>,
        upper_threshold: Keyword<'_, '_>,
        lower_threshold: Keyword<'_, '_>,
    ) -> PyResult<Self> {
        let made =
            self::destination(destination, Settings { forwarding, tunnel, weight, upper_threshold, lower_threshold })?;
        Self::new(destination.py(), ipvs_core::Command::AddDestination(service.0, made))
    }

    /// Gives a destination other settings, all of them: what is not given goes to its default.
    #[staticmethod]
    #[pyo3(
        signature = (
            service, destination, *, forwarding = Keyword::LEFT_OUT, tunnel = Keyword::LEFT_OUT,
            weight = Keyword::LEFT_OUT, upper_threshold = Keyword::LEFT_OUT, lower_threshold = Keyword::LEFT_OUT
        ),
        text_signature = "(service, destination, *, forwarding='direct-route', tunnel=None, weight=1, \
            upper_threshold=0, lower_threshold=0)"
    )]
    fn edit_destination(
        service: Id,
        destination: &Bound<'_, PyAny>,
        forwarding: Keyword<'_, '_>,
        tunnel: Keyword<'_, '_>,
        weight: Keyword<'_, '_>,
        upper_threshold: Keyword<'_, '_>,
        lower_threshold: Keyword<'_, '_>,
    ) -> PyResult<Self> {
        let made =
            self::destination(destination, Settings { forwarding, tunnel, weight, upper_threshold, lower_threshold })?;
        Self::new(destination.py(), ipvs_core::Command::EditDestination(service.0, made))
    }

    /// Deletes a destination of a virtual service.
    #[staticmethod]
    fn delete_destination(python: Python<'_>, service: Id, destination: Address) -> PyResult<Self> {
        Self::new(python, ipvs_core::Command::DeleteDestination(service.0, destination.0))
    }

    /// Zeroes the counters of one service and its destinations, or of all.
    #[staticmethod]
    #[pyo3(signature = (service = None))]
    fn zero(python: Python<'_>, service: Option<Id>) -> PyResult<Self> {
        Self::new(python, ipvs_core::Command::Zero(service.map(|id| id.0)))
    }

    /// Deletes all services.
    #[staticmethod]
    fn flush() -> Self {
        Self(ipvs_core::Command::Flush)
    }

    /// Sets how long idle connections are remembered, in seconds; 0 leaves what is in force.
    #[staticmethod]
    #[pyo3(
        signature = (timeouts = None, **parts),
        text_signature = "(timeouts=None, *, tcp=0, tcp_fin=0, udp=0)"
    )]
    fn set_timeouts(
        python: Python<'_>,
        timeouts: Option<&Bound<'_, PyAny>>,
        parts: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        Self::new(python, ipvs_core::Command::SetTimeouts(self::timeouts(python, timeouts, parts)?))
    }

    /// Starts a synchronisation daemon.
    #[staticmethod]
    fn start_daemon(python: Python<'_>, daemon: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::new(
            python,
            ipvs_core::Command::StartDaemon(object::<SyncDaemon>("daemon", "a SyncDaemon", daemon)?.get().0.clone()),
        )
    }

    /// Stops a synchronisation daemon.
    #[staticmethod]
    fn stop_daemon(role: &Bound<'_, PyAny>) -> PyResult<Self> {
        parsed::<Role>("role", role).map(|role| Self(ipvs_core::Command::StopDaemon(role)))
    }

    /// What it does: the name of the method that made it.
    #[getter]
    fn operation(&self) -> &'static str {
        self.0.operation().name()
    }

    /// What it is about, as text: a service, a destination of one, a daemon; None if it is about everything.
    #[getter]
    fn object(&self) -> Option<String> {
        self.0.operation().object()
    }

    /// The arguments of the method that makes it.
    #[getter]
    fn arguments<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        use ipvs_core::Command as Of;
        match &self.0 {
            Of::AddService(service) | Of::EditService(service) => (Service(service.clone()),).into_pyobject(python),
            Of::DeleteService(id) | Of::Zero(Some(id)) => (id.to_string(),).into_pyobject(python),
            Of::AddDestination(id, destination) | Of::EditDestination(id, destination) => {
                (id.to_string(), Destination(destination.clone())).into_pyobject(python)
            }
            Of::DeleteDestination(id, address) => (id.to_string(), address.to_string()).into_pyobject(python),
            Of::Zero(None) | Of::Flush => Ok(PyTuple::empty(python)),
            Of::SetTimeouts(timeouts) => {
                (record(python, "Timeouts", (timeouts.tcp, timeouts.tcp_fin, timeouts.udp))?,).into_pyobject(python)
            }
            Of::StartDaemon(daemon) => (SyncDaemon(daemon.clone()),).into_pyobject(python),
            Of::StopDaemon(role) => (role.to_string(),).into_pyobject(python),
        }
    }

    fn __str__(&self) -> String {
        RuleDisplay(&self.0).to_string()
    }

    fn __repr__(&self, python: Python<'_>) -> PyResult<String> {
        let arguments = self.arguments(python)?;
        let texts: Vec<String> = arguments
            .iter()
            .map(|argument| Ok(argument.repr()?.to_string_lossy().into_owned()))
            .collect::<PyResult<_>>()?;
        Ok(format!("Command.{}({})", self.operation(), texts.join(", ")))
    }

    fn __reduce__<'py>(&self, python: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        Ok((python.get_type::<Self>().getattr(self.operation())?, self.arguments(python)?))
    }
}

/// The commands of rules, as `ipvsadm -S` writes them. A line that is none raises a `RuleError`. Hosts and ports are numbers.
#[pyfunction]
pub(crate) fn parse_rules<'py>(python: Python<'py>, text: &Bound<'_, PyAny>) -> PyResult<Bound<'py, PyList>> {
    let commands = read(python, text)?.into_iter().map(|(_, command)| Command(command));
    PyList::new(python, commands)
}

/// The commands of rules, each with its line.
pub(crate) fn read(python: Python<'_>, text: &Bound<'_, PyAny>) -> PyResult<Vec<(usize, ipvs_core::Command)>> {
    let text = argument::text("text", text)?;
    python.detach(|| parse_changes(text)).map_err(|error| rule_error(python, "text", &error))
}
