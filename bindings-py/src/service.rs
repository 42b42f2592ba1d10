//! Virtual services.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};

use ipvs_core::{DEFAULT_SCHEDULER, Family, InvalidArgument, Netmask, Protocol, SchedulerFlags, ServiceId, Stats};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::argument::{
    self, call_text, ip, items, keyword_name, number, object, optional, parsed, switch, text, unknown, wrong_type,
};
use crate::error::invalid;
use crate::python::member;
use crate::stats;

/// A virtual service with its settings. It never changes; `replace` makes another one.
///
/// `id` is its name: `"tcp://10.0.0.1:80"`, `"udp://[2001:db8::1]:53"`, `"sctp://…"`, `"fwmark:7"`, `"fwmark:7/ipv6"`. In
/// its place `protocol`, `address` and `port`, or `fwmark` and `family`, may be given.
///
/// `scheduler` says how a destination is chosen for a new connection: the name of a kernel module without its `ip_vs_`.
/// `scheduler_flags` are members of `SchedulerFlag` or their text. `persistence_timeout` is for how many seconds, 1 to
/// 4294967, a client comes back to its destination, `netmask` which clients are one client to that ("255.255.255.0"; for
/// IPv6 a prefix length), `persistence_engine` what names a client instead of its address ("sip"). `one_packet` schedules
/// each datagram by itself.
#[pyclass(frozen, subclass, module = "ipvs")]
#[derive(Clone)]
pub(crate) struct Service(pub(crate) ipvs_core::Service);

/// What keywords say: parts of an id, and settings.
#[derive(Default)]
#[expect(clippy::option_option, reason = "not given, none, and a value are three things")]
struct Given<'py> {
    protocol: Option<Protocol>,
    address: Option<IpAddr>,
    port: Option<u16>,
    fwmark: Option<u32>,
    family: Option<Family>,
    scheduler: Option<String>,
    scheduler_flags: Option<Vec<String>>,
    persistence_timeout: Option<Option<u32>>,
    /// What it means depends on the id.
    netmask: Option<Bound<'py, PyAny>>,
    persistence_engine: Option<Option<String>>,
    one_packet: Option<bool>,
}

impl<'py> Given<'py> {
    fn read(settings: Option<&Bound<'py, PyDict>>) -> PyResult<Self> {
        let mut given = Self::default();
        for (name, value) in settings.into_iter().flatten() {
            match &*keyword_name(&name)? {
                "protocol" => given.protocol = optional(&value, |value| parsed("protocol", value))?,
                "address" => given.address = optional(&value, |value| ip("address", value))?,
                "port" => given.port = optional(&value, |value| number("port", value, u16::MAX))?,
                "fwmark" => given.fwmark = optional(&value, |value| number("fwmark", value, u32::MAX))?,
                "family" => given.family = optional(&value, |value| parsed("family", value))?,
                "scheduler" => given.scheduler = Some(text("scheduler", &value)?.to_owned()),
                "scheduler_flags" => given.scheduler_flags = Some(flags(&value)?),
                "persistence_timeout" => {
                    let seconds = optional(&value, |value| number("persistence_timeout", value, u32::MAX))?;
                    given.persistence_timeout = Some(seconds);
                }
                "netmask" => given.netmask = Some(value),
                "persistence_engine" => {
                    given.persistence_engine =
                        Some(optional(&value, |value| text("persistence_engine", value).map(str::to_owned))?);
                }
                "one_packet" => given.one_packet = Some(switch("one_packet", &value)?),
                other => return Err(unknown(other)),
            }
        }
        Ok(given)
    }

    /// The id, given as a whole or in parts, if it is. A part that is not given is that of `now`.
    fn id(
        &self,
        id: Option<&Bound<'py, PyAny>>,
        now: Option<&ServiceId>,
        python: Python<'py>,
    ) -> PyResult<Option<ServiceId>> {
        let is_address = self.protocol.is_some() || self.address.is_some() || self.port.is_some();
        let is_mark = self.fwmark.is_some() || self.family.is_some();
        let made = match (id, is_address, is_mark) {
            (None, false, false) => return Ok(None),
            (Some(id), false, false) => return parsed("id", id).map(Some),
            (Some(_), ..) => Err(InvalidArgument::new("id", "the id has its parts already; give one or the other")),
            (None, true, false) => self.address_id(now).ok_or_else(incomplete),
            (None, false, true) => self.mark_id(now).ok_or_else(incomplete),
            (None, true, true) => Err(incomplete()),
        };
        let id = made.map_err(|error| invalid(python, &error))?;
        id.check().map_err(|error| invalid(python, &error))?;
        Ok(Some(id))
    }

    fn address_id(&self, now: Option<&ServiceId>) -> Option<ServiceId> {
        let (protocol, address, port) = match now {
            Some(ServiceId::Address { protocol, address }) => {
                (Some(*protocol), Some(address.ip()), Some(address.port()))
            }
            _ => (None, None, None),
        };
        let address = SocketAddr::new(self.address.or(address)?, self.port.or(port)?);
        Some(ServiceId::Address { protocol: self.protocol.or(protocol)?, address })
    }

    fn mark_id(&self, now: Option<&ServiceId>) -> Option<ServiceId> {
        let (mark, family) = match now {
            Some(ServiceId::Fwmark { mark, family }) => (Some(*mark), *family),
            _ => (None, Family::Ipv4),
        };
        Some(ServiceId::Fwmark { mark: self.fwmark.or(mark)?, family: self.family.unwrap_or(family) })
    }

    /// Puts the settings in, and checks the whole.
    fn set(self, service: &mut ipvs_core::Service, python: Python<'py>) -> PyResult<()> {
        if let Some(scheduler) = self.scheduler {
            service.scheduler = scheduler;
        }
        if let Some(names) = self.scheduler_flags {
            service.scheduler_flags = SchedulerFlags::from_names(&service.scheduler, names.iter().map(String::as_str))
                .map_err(|error| invalid(python, &error))?;
        }
        if let Some(seconds) = self.persistence_timeout {
            service.persistence_timeout = seconds;
        }
        if let Some(value) = self.netmask {
            let family = service.id.family();
            let netmask = optional(&value, |value| netmask(value, family))?;
            service.netmask = netmask.unwrap_or(Netmask::host(family));
        }
        if let Some(engine) = self.persistence_engine {
            service.persistence_engine = engine;
        }
        if let Some(one_packet) = self.one_packet {
            service.one_packet = one_packet;
        }
        service.check().map_err(|error| invalid(python, &error))
    }
}

fn incomplete() -> InvalidArgument {
    InvalidArgument::new("service", "give an id, or protocol, address and port, or fwmark and family")
}

/// Names of flags.
fn flags(value: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    items("scheduler_flags", "an iterable of str", value, |name| text("scheduler_flags", name).map(str::to_owned))
}

/// A mask as text, or a prefix length.
fn netmask(value: &Bound<'_, PyAny>, family: Family) -> PyResult<Netmask> {
    if value.is_instance_of::<PyString>() {
        return Netmask::parse(text("netmask", value)?, family).map_err(|error| invalid(value.py(), &error));
    }
    number("netmask", value, u8::MAX).map(Netmask::Prefix)
}

#[pymethods]
impl Service {
    #[new]
    #[pyo3(
        signature = (id = None, **settings),
        text_signature = "(id=None, *, protocol=None, address=None, port=None, fwmark=None, family=None, \
            scheduler='wlc', scheduler_flags=(), persistence_timeout=None, netmask=None, persistence_engine=None, \
            one_packet=False)"
    )]
    fn new(python: Python<'_>, id: Option<&Bound<'_, PyAny>>, settings: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let given = Given::read(settings)?;
        let missing = || {
            let reason = "an id is needed, such as 'tcp://10.0.0.1:80' or 'fwmark:7'";
            invalid(python, &InvalidArgument::new("id", reason))
        };
        let mut service = ipvs_core::Service::new(given.id(id, None, python)?.ok_or_else(missing)?);
        given.set(&mut service, python)?;
        Ok(Self(service))
    }

    /// The same service with other settings, named as when one is made. A part of the id leaves the others as they are.
    #[pyo3(signature = (*, id = None, **settings), text_signature = "(self, **settings)")]
    fn replace(
        &self,
        python: Python<'_>,
        id: Option<&Bound<'_, PyAny>>,
        settings: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let given = Given::read(settings)?;
        let mut service = self.0.clone();
        if let Some(id) = given.id(id, Some(&service.id), python)? {
            if service.netmask == Netmask::host(service.id.family()) {
                service.netmask = Netmask::host(id.family());
            }
            service.id = id;
        }
        given.set(&mut service, python)?;
        Ok(Self(service))
    }

    /// What names the service.
    #[getter]
    fn id(&self) -> String {
        self.0.id.to_string()
    }

    /// The transport protocol; None for a firewall mark.
    #[getter]
    fn protocol<'py>(&self, python: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let protocol = self.0.id.protocol();
        protocol.map(|protocol| member(python, "Protocol", &protocol.to_string())).transpose()
    }

    /// The virtual address, of the module ipaddress; None for a firewall mark.
    #[getter]
    fn address<'py>(&self, python: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.0.id {
            ServiceId::Address { address, .. } => address.ip().into_pyobject(python).map(Some),
            ServiceId::Fwmark { .. } => Ok(None),
        }
    }

    /// The virtual port, 0 for every port; None for a firewall mark.
    #[getter]
    fn port(&self) -> Option<u16> {
        self.0.id.port()
    }

    /// The firewall mark; None for a service at an address.
    #[getter]
    fn fwmark(&self) -> Option<u32> {
        match self.0.id {
            ServiceId::Fwmark { mark, .. } => Some(mark),
            ServiceId::Address { .. } => None,
        }
    }

    /// The address family.
    #[getter]
    fn family<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        member(python, "Family", &self.0.id.family().to_string())
    }

    /// How a destination is chosen for a new connection.
    #[getter]
    fn scheduler(&self) -> &str {
        &self.0.scheduler
    }

    /// Flags of the scheduler.
    #[getter]
    fn scheduler_flags<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let names = self.0.scheduler_flags.names(&self.0.scheduler);
        let flags: Vec<_> = names.map(|name| member(python, "SchedulerFlag", name)).collect::<PyResult<_>>()?;
        PyTuple::new(python, flags)
    }

    /// For how many seconds a client comes back to its destination; None if it does not.
    #[getter]
    fn persistence_timeout(&self) -> Option<u32> {
        self.0.persistence_timeout
    }

    /// Which clients are one client to a persistent service: a mask, or for IPv6 a prefix length, as text.
    #[getter]
    fn netmask(&self) -> String {
        self.0.netmask.text(self.0.id.family())
    }

    /// What names a client instead of its address.
    #[getter]
    fn persistence_engine(&self) -> Option<&str> {
        self.0.persistence_engine.as_deref()
    }

    /// Whether each datagram is scheduled by itself.
    #[getter]
    fn one_packet(&self) -> bool {
        self.0.one_packet
    }

    fn __str__(&self) -> String {
        self.id()
    }

    fn __repr__(&self, python: Python<'_>) -> PyResult<String> {
        call_text("Service", &format!("'{}'", self.0.id), &self.settings(python)?)
    }

    fn __getnewargs_ex__<'py>(&self, python: Python<'py>) -> PyResult<((String,), Bound<'py, PyDict>)> {
        Ok(((self.id(),), self.settings(python)?))
    }

    /// A `ServiceEntry` is equal to none: it has counters too. What is no Service may say itself whether it is equal.
    fn __eq__(&self, other: &Bound<'_, Self>) -> bool {
        !other.is_instance_of::<ServiceEntry>() && other.get().0 == self.0
    }

    fn __hash__(&self) -> u64 {
        hash(&self.0)
    }
}

impl Service {
    /// The settings that are not as by default.
    fn settings<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let service = &self.0;
        let settings = PyDict::new(python);
        if service.scheduler != DEFAULT_SCHEDULER {
            settings.set_item("scheduler", &service.scheduler)?;
        }
        if service.scheduler_flags != SchedulerFlags::default() {
            let names: Vec<_> = service.scheduler_flags.names(&service.scheduler).collect();
            settings.set_item("scheduler_flags", PyTuple::new(python, names)?)?;
        }
        if let Some(seconds) = service.persistence_timeout {
            settings.set_item("persistence_timeout", seconds)?;
        }
        if service.netmask != Netmask::host(service.id.family()) {
            settings.set_item("netmask", self.netmask())?;
        }
        if let Some(engine) = &service.persistence_engine {
            settings.set_item("persistence_engine", engine)?;
        }
        if service.one_packet {
            settings.set_item("one_packet", true)?;
        }
        Ok(settings)
    }
}

/// The hash of a value, for Python.
pub(crate) fn hash(value: &impl Hash) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// What a listing says of a virtual service: the Service, and `stats`.
#[pyclass(frozen, eq, hash, extends = Service, module = "ipvs")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct ServiceEntry {
    service: ipvs_core::Service,
    stats: Stats,
}

impl From<ipvs_core::ServiceEntry> for ServiceEntry {
    fn from(entry: ipvs_core::ServiceEntry) -> Self {
        Self { service: entry.service, stats: entry.stats }
    }
}

impl From<ServiceEntry> for PyClassInitializer<ServiceEntry> {
    fn from(entry: ServiceEntry) -> Self {
        PyClassInitializer::from(entry.service()).add_subclass(entry)
    }
}

#[pymethods]
impl ServiceEntry {
    #[new]
    #[pyo3(signature = (service, *, stats = None), text_signature = "(service, *, stats=None)")]
    fn new(service: &Bound<'_, PyAny>, stats: Option<&Bound<'_, PyAny>>) -> PyResult<PyClassInitializer<Self>> {
        Ok(Self { service: settings(service)?.clone(), stats: stats::from_python(stats)? }.into())
    }

    /// The service with its settings only.
    #[getter]
    fn service(&self) -> Service {
        Service(self.service.clone())
    }

    /// Its counters.
    #[getter]
    fn stats<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        stats::to_python(python, &self.stats)
    }

    fn __repr__(&self, python: Python<'_>) -> PyResult<String> {
        let settings = PyDict::new(python);
        settings.set_item("stats", self.stats(python)?)?;
        call_text("ServiceEntry", &self.service().__repr__(python)?, &settings)
    }

    fn __getnewargs_ex__<'py>(&self, python: Python<'py>) -> PyResult<((Service,), Bound<'py, PyDict>)> {
        let settings = PyDict::new(python);
        settings.set_item("stats", self.stats(python)?)?;
        Ok(((self.service(),), settings))
    }
}

/// The settings of a `Service`.
pub(crate) fn settings<'a>(service: &'a Bound<'_, PyAny>) -> PyResult<&'a ipvs_core::Service> {
    Ok(&object::<Service>("service", "a Service with its settings", service)?.get().0)
}

/// A service as a method takes it: a `Service`, a `ServiceEntry` or the text of an id.
#[derive(Clone, Copy)]
pub(crate) struct Id(pub(crate) ServiceId);

impl<'py> FromPyObject<'_, 'py> for Id {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(service) = object.cast::<Service>() {
            Ok(Self(service.get().0.id))
        } else if object.is_instance_of::<PyString>() {
            parsed("service", &object).map(Self)
        } else {
            Err(wrong_type("service", "a Service or the str of an id", &object))
        }
    }
}

/// The ids of a range, such as `tcp://10.0.0.1-10:80` or `fwmark:1-9`, for services that share a Pool: of the last part of an
/// address or of a mark, up to another that is in it too. The text of an id is a range of one.
#[pyfunction]
pub(crate) fn service_ids(python: Python<'_>, text: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    let ids = ServiceId::range(argument::text("text", text)?).map_err(|error| invalid(python, &error))?;
    Ok(ids.iter().map(ToString::to_string).collect())
}
