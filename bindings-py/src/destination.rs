//! Destinations, the real servers of a virtual service.

use std::net::SocketAddr;

use ipvs_core::{
    DEFAULT_WEIGHT, DestinationEntry as Entry, Forwarding, InvalidArgument, Stats, Tunnel, TunnelChecksum, TunnelParts,
    parse_destination_address,
};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::argument::{Keywords, call_text, number, object, optional, parsed, socket_address, text, wrong_type};
use crate::error::invalid;
use crate::python::{member, record};
use crate::service::hash;
use crate::stats;

/// A destination (real server) with its settings. It never changes; `replace` makes another one.
///
/// `id` is its address and port: `"192.168.1.10:8080"` or `"[2001:db8::a]:8080"`. In its place `address` and `port` may be
/// given.
///
/// `forwarding` is how packets reach it, a Forwarding or its text; `tunnel`, a Tunnel, how they are wrapped on their way.
/// `weight`, 0 to 2147483647, is its share of new connections: with 0 it keeps its connections and gets no new ones. From
/// `upper_threshold` connections on it gets no new ones until there are fewer than `lower_threshold`; 0 is no limit, and three
/// quarters of it.
#[pyclass(frozen, subclass, module = "ipvs")]
#[derive(Clone)]
pub(crate) struct Destination(pub(crate) ipvs_core::Destination);

/// The address that the parts of one make, if any is given.
fn address_from_parts(python: Python<'_>, keywords: &Keywords<'_>) -> PyResult<Option<SocketAddr>> {
    match (keywords.take_some("address")?, keywords.take_some("port")?) {
        (None, None) => Ok(None),
        (Some(address), Some(port)) => socket_address("address", &address, &port).map(Some),
        _ => {
            let reason = "give the destination's address and its port, or both in one as its id";
            Err(invalid(python, &InvalidArgument::new("destination", reason)))
        }
    }
}

/// One address, given as a whole or in parts.
fn given_address(
    id: Option<&Bound<'_, PyAny>>,
    keywords: &Keywords<'_>,
    python: Python<'_>,
) -> PyResult<Option<SocketAddr>> {
    let Some(id) = id else { return address_from_parts(python, keywords) };
    if keywords.has_any(&["address", "port"])? {
        let reason = "the id has address and port already; give one or the other";
        return Err(invalid(python, &InvalidArgument::new("id", reason)));
    }
    id.extract::<Address>().map(|address| Some(address.0))
}

/// Puts the settings of keywords in. They are checked with the service.
fn set(destination: &mut ipvs_core::Destination, keywords: Keywords<'_>, python: Python<'_>) -> PyResult<()> {
    let method = keywords.take("forwarding")?.map(|value| parsed::<Forwarding>("forwarding", &value)).transpose()?;
    let tunnel = keywords.take_some("tunnel")?.map(|value| tunnel(&value)).transpose()?;
    destination.forwarding = match (method, tunnel, destination.forwarding) {
        (None, None, now) | (Some(Forwarding::Tunnel(_)), None, now @ Forwarding::Tunnel(_)) => now,
        (Some(method), None, _) => method,
        (None | Some(Forwarding::Tunnel(_)), Some(tunnel), _) => Forwarding::Tunnel(tunnel),
        (Some(method), Some(_), _) => {
            let reason = format!("{method} has none; leave it out, or choose the forwarding 'tunnel'");
            return Err(invalid(python, &InvalidArgument::new("tunnel", reason)));
        }
    };
    for (name, field) in [
        ("weight", &mut destination.weight),
        ("upper_threshold", &mut destination.upper_threshold),
        ("lower_threshold", &mut destination.lower_threshold),
    ] {
        if let Some(value) = keywords.take(name)? {
            *field = number(name, &value, u32::MAX)?;
        }
    }
    keywords.finish()
}

/// A `Tunnel`, or its type as text.
fn tunnel(value: &Bound<'_, PyAny>) -> PyResult<Tunnel> {
    let parts = if value.is_instance_of::<PyString>() {
        TunnelParts { kind: text("tunnel", value)?.into(), port: None, checksum: None }
    } else {
        let wrong = |_| wrong_type("tunnel", "a Tunnel or the str of its type", value);
        let (kind, port, checksum): (String, Bound<'_, PyAny>, Bound<'_, PyAny>) = value.extract().map_err(wrong)?;
        TunnelParts {
            kind: kind.into(),
            port: optional(&port, |port| number("port", port, u16::MAX))?,
            checksum: optional(&checksum, |checksum| parsed::<TunnelChecksum>("checksum", checksum))?,
        }
    };
    parts.try_into().map_err(|error| invalid(value.py(), &error))
}

/// A `Destination`, or what names one and settings beside it.
pub(crate) fn destination(
    destination: &Bound<'_, PyAny>,
    settings: Option<&Bound<'_, PyDict>>,
) -> PyResult<ipvs_core::Destination> {
    if let Ok(destination) = destination.cast::<Destination>() {
        if settings.is_some_and(|settings| !settings.is_empty()) {
            let reason = "destination: a Destination has its settings already; use its method replace";
            return Err(PyTypeError::new_err(reason));
        }
        return Ok(destination.get().0.clone());
    }
    let mut made = ipvs_core::Destination::new(destination.extract::<Address>()?.0);
    set(&mut made, Keywords::new(settings)?, destination.py())?;
    Ok(made)
}

#[pymethods]
impl Destination {
    #[new]
    #[pyo3(
        signature = (id = None, **settings),
        text_signature = "(id=None, *, address=None, port=None, forwarding='direct-route', tunnel=None, weight=1, \
            upper_threshold=0, lower_threshold=0)"
    )]
    fn new(python: Python<'_>, id: Option<&Bound<'_, PyAny>>, settings: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let keywords = Keywords::new(settings)?;
        let missing = || {
            let reason = "an id is needed, such as '192.168.1.10:8080'";
            invalid(python, &InvalidArgument::new("id", reason))
        };
        let address = given_address(id, &keywords, python)?.ok_or_else(missing)?;
        Self::with(ipvs_core::Destination::new(address), keywords, python)
    }

    /// The same destination with other settings, named as when one is made.
    #[pyo3(signature = (**settings), text_signature = "(self, **settings)")]
    fn replace(&self, python: Python<'_>, settings: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let keywords = Keywords::new(settings)?;
        let mut destination = self.0.clone();
        let id = keywords.take("id")?;
        if let Some(address) = given_address(id.as_ref(), &keywords, python)? {
            destination.address = address;
        }
        Self::with(destination, keywords, python)
    }

    /// What names the destination within its service: address and port.
    #[getter]
    fn id(&self) -> String {
        self.0.address.to_string()
    }

    /// The address, of the module ipaddress.
    #[getter]
    fn address<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.0.address.ip().into_pyobject(python)
    }

    /// The port. With tunnel and direct routing the kernel sends to the service's port whatever stands here.
    #[getter]
    fn port(&self) -> u16 {
        self.0.address.port()
    }

    /// How packets reach it.
    #[getter]
    fn forwarding<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        member(python, "Forwarding", &self.0.forwarding.to_string())
    }

    /// How packets are wrapped; None if they are not.
    #[getter]
    fn tunnel<'py>(&self, python: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Forwarding::Tunnel(tunnel) = self.0.forwarding else { return Ok(None) };
        let TunnelParts { kind, port, checksum } = tunnel.into();
        let checksum = checksum.map(|checksum| member(python, "TunnelChecksum", &checksum.to_string())).transpose()?;
        record(python, "Tunnel", (member(python, "TunnelType", &kind)?, port, checksum)).map(Some)
    }

    /// Its share of new connections relative to the other destinations.
    #[getter]
    fn weight(&self) -> u32 {
        self.0.weight
    }

    /// From this many connections on it gets no new ones; 0 is no limit.
    #[getter]
    fn upper_threshold(&self) -> u32 {
        self.0.upper_threshold
    }

    /// Below this many connections it gets new ones again; 0 is three quarters of the upper threshold.
    #[getter]
    fn lower_threshold(&self) -> u32 {
        self.0.lower_threshold
    }

    fn __str__(&self) -> String {
        self.id()
    }

    fn __repr__(&self, python: Python<'_>) -> PyResult<String> {
        call_text("Destination", &format!("'{}'", self.0.address), &self.settings(python)?)
    }

    fn __getnewargs_ex__<'py>(&self, python: Python<'py>) -> PyResult<((String,), Bound<'py, PyDict>)> {
        Ok(((self.id(),), self.settings(python)?))
    }

    /// Only another Destination is equal to one, never a `DestinationEntry`.
    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast_exact::<Self>().is_ok_and(|other| other.get().0 == self.0)
    }

    fn __hash__(&self) -> u64 {
        hash(&self.0)
    }
}

impl Destination {
    fn with(mut destination: ipvs_core::Destination, keywords: Keywords<'_>, python: Python<'_>) -> PyResult<Self> {
        set(&mut destination, keywords, python)?;
        destination.check_settings().map_err(|error| invalid(python, &error))?;
        Ok(Self(destination))
    }

    /// The settings that are not as by default.
    fn settings<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let destination = &self.0;
        let settings = PyDict::new(python);
        match destination.forwarding {
            Forwarding::DirectRoute => {}
            Forwarding::TUNNEL => settings.set_item("forwarding", "tunnel")?,
            Forwarding::Tunnel(tunnel) => {
                let TunnelParts { kind, port, checksum } = tunnel.into();
                let parts = (kind, port, checksum.map(|checksum| checksum.to_string()));
                settings.set_item("tunnel", record(python, "Tunnel", parts)?)?;
            }
            method => settings.set_item("forwarding", method.to_string())?,
        }
        if destination.weight != DEFAULT_WEIGHT {
            settings.set_item("weight", destination.weight)?;
        }
        if destination.upper_threshold != 0 {
            settings.set_item("upper_threshold", destination.upper_threshold)?;
        }
        if destination.lower_threshold != 0 {
            settings.set_item("lower_threshold", destination.lower_threshold)?;
        }
        Ok(settings)
    }
}

/// What a listing says of a destination: the Destination, its connections, and `stats`.
#[pyclass(frozen, eq, hash, extends = Destination, module = "ipvs")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct DestinationEntry {
    destination: ipvs_core::Destination,
    /// Connections in an active state: for TCP the established ones. UDP has none.
    #[pyo3(get)]
    active_connections: u32,
    /// All other connections.
    #[pyo3(get)]
    inactive_connections: u32,
    /// Persistence templates.
    #[pyo3(get)]
    persistent_connections: u32,
    stats: Stats,
}

impl From<Entry> for DestinationEntry {
    fn from(entry: Entry) -> Self {
        let Entry { destination, active_connections, inactive_connections, persistent_connections, stats, .. } = entry;
        Self { destination, active_connections, inactive_connections, persistent_connections, stats }
    }
}

impl From<DestinationEntry> for PyClassInitializer<DestinationEntry> {
    fn from(entry: DestinationEntry) -> Self {
        PyClassInitializer::from(entry.destination()).add_subclass(entry)
    }
}

#[pymethods]
impl DestinationEntry {
    #[new]
    #[pyo3(
        signature = (destination, *, active_connections = None, inactive_connections = None,
            persistent_connections = None, stats = None),
        text_signature = "(destination, *, active_connections=0, inactive_connections=0, persistent_connections=0, \
            stats=Stats())"
    )]
    fn new(
        destination: &Bound<'_, PyAny>,
        active_connections: Option<&Bound<'_, PyAny>>,
        inactive_connections: Option<&Bound<'_, PyAny>>,
        persistent_connections: Option<&Bound<'_, PyAny>>,
        stats: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let count = |name, value: Option<&Bound<'_, PyAny>>| value.map_or(Ok(0), |value| number(name, value, u32::MAX));
        Ok(Self {
            destination: object::<Destination>("destination", "a Destination", destination)?.get().0.clone(),
            active_connections: count("active_connections", active_connections)?,
            inactive_connections: count("inactive_connections", inactive_connections)?,
            persistent_connections: count("persistent_connections", persistent_connections)?,
            stats: stats::from_python(stats)?,
        }
        .into())
    }

    /// The destination with its settings only.
    #[getter]
    fn destination(&self) -> Destination {
        Destination(self.destination.clone())
    }

    /// Its counters.
    #[getter]
    fn stats<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        stats::to_python(python, &self.stats)
    }

    fn __repr__(&self, python: Python<'_>) -> PyResult<String> {
        call_text("DestinationEntry", &self.destination().__repr__(python)?, &self.counts(python)?)
    }

    fn __getnewargs_ex__<'py>(&self, python: Python<'py>) -> PyResult<((Destination,), Bound<'py, PyDict>)> {
        Ok(((self.destination(),), self.counts(python)?))
    }
}

impl DestinationEntry {
    fn counts<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counts = PyDict::new(python);
        counts.set_item("active_connections", self.active_connections)?;
        counts.set_item("inactive_connections", self.inactive_connections)?;
        counts.set_item("persistent_connections", self.persistent_connections)?;
        counts.set_item("stats", self.stats(python)?)?;
        Ok(counts)
    }
}

/// A destination's name as a method takes it: a `Destination`, the text of one, or an address and a port.
#[derive(Clone, Copy)]
pub(crate) struct Address(pub(crate) SocketAddr);

impl<'py> FromPyObject<'_, 'py> for Address {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(destination) = object.cast::<Destination>() {
            return Ok(Self(destination.get().0.address));
        }
        if object.is_instance_of::<PyString>() {
            let parsed = parse_destination_address(&text("destination", &object)?);
            return parsed.map(Self).map_err(|error| invalid(object.py(), &error));
        }
        if object.is_instance_of::<PyTuple>()
            && let Ok((address, port)) = object.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>()
        {
            return socket_address("destination", &address, &port).map(Self);
        }
        Err(wrong_type("destination", "a Destination, the str of one, or an address and a port", &object))
    }
}
