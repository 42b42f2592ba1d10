//! The synchronisation daemons.

use ipvs_core::{InvalidArgument, Role};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::argument::{call_text, ip, keyword_name, number, optional, parsed, text, unknown};
use crate::error::invalid;
use crate::python::member;

/// A synchronisation daemon. It never changes; `replace` makes another one.
///
/// `role` is a Role or its text, `interface` the network interface that it multicasts on. What is 0 or None the kernel
/// chooses, and a listing shows what it chose: `sync_id`, 0 to 255, says which messages belong together, and a backup with 0
/// takes all; `max_length` is the longest payload of a message in bytes; `group` the multicast address (224.0.0.81), `port` the
/// UDP port (8848), `ttl` how many routers a message may pass (1).
#[pyclass(frozen, eq, hash, module = "ipvs")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct SyncDaemon(pub(crate) ipvs_core::SyncDaemon);

impl From<ipvs_core::SyncDaemon> for SyncDaemon {
    fn from(daemon: ipvs_core::SyncDaemon) -> Self {
        Self(daemon)
    }
}

impl SyncDaemon {
    fn with(
        mut daemon: ipvs_core::SyncDaemon,
        settings: Option<&Bound<'_, PyDict>>,
        python: Python<'_>,
    ) -> PyResult<Self> {
        for (name, value) in settings.into_iter().flatten() {
            match &*keyword_name(&name)? {
                "role" => daemon.role = parsed("role", &value)?,
                "interface" => text("interface", &value)?.clone_into(&mut daemon.interface),
                "sync_id" => daemon.sync_id = number("sync_id", &value, u8::MAX)?,
                "max_length" => daemon.max_length = number("max_length", &value, u16::MAX)?,
                "group" => daemon.group = optional(&value, |value| ip("group", value))?,
                "port" => daemon.port = number("port", &value, u16::MAX)?,
                "ttl" => daemon.ttl = number("ttl", &value, u8::MAX)?,
                other => return Err(unknown(other)),
            }
        }
        daemon.check().map_err(|error| invalid(python, &error))?;
        Ok(Self(daemon))
    }

    /// The settings that are not as by default.
    fn settings<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let daemon = &self.0;
        let settings = PyDict::new(python);
        settings.set_item("interface", &daemon.interface)?;
        let numbers = [
            ("sync_id", daemon.sync_id.into()),
            ("max_length", daemon.max_length),
            ("port", daemon.port),
            ("ttl", daemon.ttl.into()),
        ];
        for (name, number) in numbers.into_iter().filter(|(_, number)| *number != 0) {
            settings.set_item(name, number)?;
        }
        if let Some(group) = daemon.group {
            settings.set_item("group", group.to_string())?;
        }
        Ok(settings)
    }
}

#[pymethods]
impl SyncDaemon {
    #[new]
    #[pyo3(
        signature = (role, *, interface = None, **settings),
        text_signature = "(role, *, interface, sync_id=0, max_length=0, group=None, port=0, ttl=0)"
    )]
    fn new(
        python: Python<'_>,
        role: &Bound<'_, PyAny>,
        interface: Option<&Bound<'_, PyAny>>,
        settings: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let role: Role = parsed("role", role)?;
        let missing = || invalid(python, &InvalidArgument::new("interface", "a daemon needs one, such as 'eth0'"));
        let interface = text("interface", interface.ok_or_else(missing)?)?;
        Self::with(ipvs_core::SyncDaemon::new(role, interface), settings, python)
    }

    /// The same daemon with other settings, named as when one is made.
    #[pyo3(signature = (**settings), text_signature = "(self, **settings)")]
    fn replace(&self, python: Python<'_>, settings: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Self::with(self.0.clone(), settings, python)
    }

    /// Whether it sends or takes.
    #[getter]
    fn role<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        member(python, "Role", &self.0.role.to_string())
    }

    /// The network interface that it multicasts on.
    #[getter]
    fn interface(&self) -> &str {
        &self.0.interface
    }

    /// Which messages belong together.
    #[getter]
    fn sync_id(&self) -> u8 {
        self.0.sync_id
    }

    /// Longest payload of a message in bytes.
    #[getter]
    fn max_length(&self) -> u16 {
        self.0.max_length
    }

    /// Multicast address, of the module ipaddress.
    #[getter]
    fn group<'py>(&self, python: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.0.group.map(|group| group.into_pyobject(python)).transpose()
    }

    /// UDP port.
    #[getter]
    fn port(&self) -> u16 {
        self.0.port
    }

    /// How many routers a message may pass.
    #[getter]
    fn ttl(&self) -> u8 {
        self.0.ttl
    }

    fn __repr__(&self, python: Python<'_>) -> PyResult<String> {
        call_text("SyncDaemon", &format!("'{}'", self.0.role), &self.settings(python)?)
    }

    fn __getnewargs_ex__<'py>(&self, python: Python<'py>) -> PyResult<((String,), Bound<'py, PyDict>)> {
        Ok(((self.0.role.to_string(),), self.settings(python)?))
    }
}
