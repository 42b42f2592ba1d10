//! Destinations, the real servers of a virtual service.

use std::net::{IpAddr, SocketAddr};

use ipvs_core::{
    DEFAULT_WEIGHT, DestinationEntry as Entry, Forwarding, InvalidArgument, Stats, THRESHOLD_MAX, Tunnel,
    TunnelChecksum, TunnelParts, WEIGHT_MAX, parse_destination_address,
};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::argument::{
    Keyword, call_text, ip, keyword_name, number, object, optional, parsed, text, unknown, wrong_type,
};
use crate::error::invalid;
use crate::python::{member, record};
use crate::service::hash;
use crate::stats;

/// A destination (real server) with its settings. It never changes; `replace` makes another one.
///
/// `id` is its address and port: `"192.168.1.10:8080"` or `"[2001:db8::a]:8080"`, or a pair of the two. In its place `address`
/// and `port` may be given.
///
/// `forwarding` is how packets reach it, a Forwarding or its text; `tunnel`, a Tunnel, how they are wrapped on their way.
/// `weight`, 0 to 2147483647, is its share of new connections: with 0 it keeps its connections and gets no new ones. From
/// `upper_threshold` connections on it gets no new ones until there are fewer than `lower_threshold`; 0 is no limit, and three
/// quarters of it.
#[pyclass(frozen, subclass, module = "ipvs")]
#[derive(Clone)]
pub(crate) struct Destination(pub(crate) ipvs_core::Destination);

/// What keywords say: parts of an address, and settings.
#[derive(Default)]
#[expect(clippy::option_option, reason = "not given, none, and a value are three things")]
struct Given {
    address: Option<IpAddr>,
    port: Option<u16>,
    forwarding: Option<Forwarding>,
    tunnel: Option<Option<Tunnel>>,
    weight: Option<u32>,
    upper_threshold: Option<u32>,
    lower_threshold: Option<u32>,
}

impl Given {
    fn read(settings: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let mut given = Self::default();
        for (name, value) in settings.into_iter().flatten() {
            match &*keyword_name(&name)? {
                "address" => given.address = optional(&value, |value| ip("address", value))?,
                "port" => given.port = optional(&value, |value| number("port", value, u16::MAX))?,
                "forwarding" => given.forwarding = Some(parsed("forwarding", &value)?),
                "tunnel" => given.tunnel = Some(optional(&value, tunnel)?),
                "weight" => given.weight = Some(number("weight", &value, WEIGHT_MAX)?),
                "upper_threshold" => given.upper_threshold = Some(number("upper_threshold", &value, THRESHOLD_MAX)?),
                "lower_threshold" => given.lower_threshold = Some(number("lower_threshold", &value, THRESHOLD_MAX)?),
                other => return Err(unknown(other)),
            }
        }
        Ok(given)
    }

    /// The address, given as a whole or in parts, if it is. A part that is not given is that of `now`.
    fn address(
        &self,
        id: Option<&Bound<'_, PyAny>>,
        now: Option<SocketAddr>,
        python: Python<'_>,
    ) -> PyResult<Option<SocketAddr>> {
        let wrong = |field, reason| Err(invalid(python, &InvalidArgument::new(field, reason)));
        match (id, self.address, self.port) {
            (None, None, None) => Ok(None),
            (Some(id), None, None) => address("id", id).map(Some),
            (Some(_), ..) => wrong("id", "the id has address and port already; give one or the other"),
            (None, address, port) => match (address.or(now.map(|now| now.ip())), port.or(now.map(|now| now.port()))) {
                (Some(address), Some(port)) => Ok(Some(SocketAddr::new(address, port))),
                _ => wrong("destination", "give the destination's address and its port, or both in one as its id"),
            },
        }
    }

    /// Puts the settings in. They are checked with the service.
    fn set(self, destination: &mut ipvs_core::Destination, python: Python<'_>) -> PyResult<()> {
        let now = destination.forwarding;
        let default = if matches!(self.tunnel, Some(Some(_))) { Forwarding::TUNNEL } else { now };
        destination.forwarding = match (self.forwarding.unwrap_or(default), self.tunnel) {
            (Forwarding::Tunnel(_), Some(tunnel)) => Forwarding::Tunnel(tunnel.unwrap_or(Tunnel::Ipip)),
            (Forwarding::Tunnel(_), None) if matches!(now, Forwarding::Tunnel(_)) => now,
            (method, None | Some(None)) => method,
            (method, Some(Some(_))) => {
                let reason = format!("{method} has none; leave it out, or choose the forwarding 'tunnel'");
                return Err(invalid(python, &InvalidArgument::new("tunnel", reason)));
            }
        };
        destination.weight = self.weight.unwrap_or(destination.weight);
        destination.upper_threshold = self.upper_threshold.unwrap_or(destination.upper_threshold);
        destination.lower_threshold = self.lower_threshold.unwrap_or(destination.lower_threshold);
        Ok(())
    }
}

/// The text of a destination, or an address and a port.
fn address(name: &'static str, value: &Bound<'_, PyAny>) -> PyResult<SocketAddr> {
    if value.is_instance_of::<PyString>() {
        return parse_destination_address(text(name, value)?).map_err(|error| invalid(value.py(), &error));
    }
    match value.cast::<PyTuple>().map(|pair| pair.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>()) {
        Ok(Ok((address, port))) => Ok(SocketAddr::new(ip(name, &address)?, number("port", &port, u16::MAX)?)),
        _ => Err(wrong_type(name, "a str such as '192.168.1.10:8080', or an address and a port,", value)),
    }
}

/// A `Tunnel`, or its type as text.
fn tunnel(value: &Bound<'_, PyAny>) -> PyResult<Tunnel> {
    let parts = if value.is_instance_of::<PyString>() {
        TunnelParts { kind: text("tunnel", value)?.to_owned().into(), port: None, checksum: None }
    } else {
        let wrong = |_| wrong_type("tunnel", "a Tunnel or the str of its type", value);
        let (kind, port, checksum): (Bound<'_, PyAny>, Bound<'_, PyAny>, Bound<'_, PyAny>) =
            value.extract().map_err(wrong)?;
        TunnelParts {
            kind: text("type", &kind)?.to_owned().into(),
            port: optional(&port, |port| number("port", port, u16::MAX))?,
            checksum: optional(&checksum, |checksum| parsed::<TunnelChecksum>("checksum", checksum))?,
        }
    };
    parts.try_into().map_err(|error| invalid(value.py(), &error))
}

/// The settings of a destination as keywords of a method.
pub(crate) struct Settings<'a, 'py> {
    pub forwarding: Keyword<'a, 'py>,
    pub tunnel: Keyword<'a, 'py>,
    pub weight: Keyword<'a, 'py>,
    pub upper_threshold: Keyword<'a, 'py>,
    pub lower_threshold: Keyword<'a, 'py>,
}

/// No keyword beside what names a destination, or is one.
pub(crate) const NO_SETTINGS: Settings<'_, '_> = Settings {
    forwarding: Keyword::LEFT_OUT,
    tunnel: Keyword::LEFT_OUT,
    weight: Keyword::LEFT_OUT,
    upper_threshold: Keyword::LEFT_OUT,
    lower_threshold: Keyword::LEFT_OUT,
};

/// A `Destination`, or what names one and settings beside it.
pub(crate) fn destination(
    destination: &Bound<'_, PyAny>,
    settings: Settings<'_, '_>,
) -> PyResult<ipvs_core::Destination> {
    let Settings { forwarding, tunnel, weight, upper_threshold, lower_threshold } = settings;
    if let Ok(destination) = destination.cast::<Destination>() {
        if [forwarding, tunnel, weight, upper_threshold, lower_threshold].iter().any(Keyword::is_given) {
            let reason = "destination: a Destination has its settings already; use its method replace";
            return Err(PyTypeError::new_err(reason));
        }
        return Ok(destination.get().0.clone());
    }
    let mut made = ipvs_core::Destination::new(address("destination", destination)?);
    let given = Given {
        forwarding: forwarding.map(|value| parsed("forwarding", value))?,
        tunnel: tunnel.map(|value| optional(value, self::tunnel))?,
        weight: weight.map(|value| number("weight", value, WEIGHT_MAX))?,
        upper_threshold: upper_threshold.map(|value| number("upper_threshold", value, THRESHOLD_MAX))?,
        lower_threshold: lower_threshold.map(|value| number("lower_threshold", value, THRESHOLD_MAX))?,
        ..Given::default()
    };
    given.set(&mut made, destination.py())?;
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
        let given = Given::read(settings)?;
        let missing = || {
            let reason = "an id is needed, such as '192.168.1.10:8080'";
            invalid(python, &InvalidArgument::new("id", reason))
        };
        let address = given.address(id, None, python)?.ok_or_else(missing)?;
        Self::with(ipvs_core::Destination::new(address), given, python)
    }

    /// The same destination with other settings, named as when one is made. A part of the id leaves the other as it is.
    #[pyo3(signature = (*, id = None, **settings), text_signature = "(self, **settings)")]
    fn replace(
        &self,
        python: Python<'_>,
        id: Option<&Bound<'_, PyAny>>,
        settings: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let given = Given::read(settings)?;
        let mut destination = self.0.clone();
        if let Some(address) = given.address(id, Some(destination.address), python)? {
            destination.address = address;
        }
        Self::with(destination, given, python)
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

    /// A `DestinationEntry` is equal to none: it has counters too. What is no Destination may say itself whether it is equal.
    fn __eq__(&self, other: &Bound<'_, Self>) -> bool {
        !other.is_instance_of::<DestinationEntry>() && other.get().0 == self.0
    }

    fn __hash__(&self) -> u64 {
        hash(&self.0)
    }
}

impl Destination {
    fn with(mut destination: ipvs_core::Destination, given: Given, python: Python<'_>) -> PyResult<Self> {
        given.set(&mut destination, python)?;
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
            stats=None)"
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
        address("destination", &object).map(Self)
    }
}
