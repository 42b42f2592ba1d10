//! Destinations, the real servers of a virtual service.

use std::net::SocketAddr;

use ipvs_core::{Forwarding, parse_destination_address};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::error::invalid;
use crate::stats::Stats;

/// A destination (real server) with its settings.
///
/// `address` is `"192.168.1.10:8080"` or `"[2001:db8::a]:8080"`; `forwarding` is `"masquerade"`, `"tunnel"` or
/// `"direct-route"`; `weight` is 0 to 2147483647.
#[pyclass(frozen, eq, hash, module = "ipvs")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Destination(pub(crate) ipvs_core::Destination);

impl Destination {
    /// Settings that are not given have core's defaults.
    pub(crate) fn build(address: &str, forwarding: Option<&str>, weight: Option<u32>) -> PyResult<Self> {
        let address = parse_destination_address(address).map_err(|error| invalid(&error))?;
        let mut destination = ipvs_core::Destination::new(address);
        if let Some(forwarding) = forwarding {
            let forwarding: Forwarding = forwarding.parse().map_err(|error| invalid(&error))?;
            destination = destination.with_forwarding(forwarding);
        }
        if let Some(weight) = weight {
            destination = destination.with_weight(weight);
        }
        Ok(Self(destination))
    }
}

#[pymethods]
impl Destination {
    #[new]
    #[pyo3(signature = (address, *, forwarding = None, weight = None))]
    fn new(address: &str, forwarding: Option<&str>, weight: Option<u32>) -> PyResult<Self> {
        Self::build(address, forwarding, weight)
    }

    /// Address and port.
    #[getter]
    fn address(&self) -> String {
        self.0.address.to_string()
    }

    /// How packets reach it.
    #[getter]
    fn forwarding(&self) -> String {
        self.0.forwarding.to_string()
    }

    /// Its share of new connections relative to the other destinations.
    #[getter]
    fn weight(&self) -> u32 {
        self.0.weight
    }

    fn __str__(&self) -> String {
        self.address()
    }

    fn __repr__(&self) -> String {
        format!("Destination('{}', forwarding='{}', weight={})", self.0.address, self.0.forwarding, self.0.weight)
    }
}

/// What a listing says of a destination.
#[pyclass(frozen, module = "ipvs")]
pub(crate) struct DestinationEntry(ipvs_core::DestinationEntry);

impl From<ipvs_core::DestinationEntry> for DestinationEntry {
    fn from(entry: ipvs_core::DestinationEntry) -> Self {
        Self(entry)
    }
}

#[pymethods]
impl DestinationEntry {
    /// The destination with its settings.
    #[getter]
    fn destination(&self) -> Destination {
        Destination(self.0.destination.clone())
    }

    /// Address and port.
    #[getter]
    fn address(&self) -> String {
        self.0.destination.address.to_string()
    }

    /// How packets reach it.
    #[getter]
    fn forwarding(&self) -> String {
        self.0.destination.forwarding.to_string()
    }

    /// Its share of new connections relative to the other destinations.
    #[getter]
    fn weight(&self) -> u32 {
        self.0.destination.weight
    }

    /// Connections in an active state; UDP has none.
    #[getter]
    fn active_connections(&self) -> u32 {
        self.0.active_connections
    }

    /// All other connections.
    #[getter]
    fn inactive_connections(&self) -> u32 {
        self.0.inactive_connections
    }

    /// Persistence templates.
    #[getter]
    fn persistent_connections(&self) -> u32 {
        self.0.persistent_connections
    }

    /// Its counters.
    #[getter]
    fn stats(&self) -> Stats {
        self.0.stats.into()
    }

    fn __str__(&self) -> String {
        self.address()
    }

    fn __repr__(&self) -> String {
        format!(
            "<DestinationEntry {} forwarding={} weight={} active_connections={} inactive_connections={}>",
            self.0.destination.address,
            self.0.destination.forwarding,
            self.0.destination.weight,
            self.0.active_connections,
            self.0.inactive_connections
        )
    }
}

/// A destination's name as a method takes it: a `Destination`, a `DestinationEntry` or the text of an address.
#[derive(Clone, Copy)]
pub(crate) struct Address(pub(crate) SocketAddr);

impl<'py> FromPyObject<'_, 'py> for Address {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(destination) = object.cast::<Destination>() {
            Ok(Self(destination.get().0.address))
        } else if let Ok(entry) = object.cast::<DestinationEntry>() {
            Ok(Self(entry.get().0.destination.address))
        } else if let Ok(text) = object.extract::<String>() {
            parse_destination_address(&text).map(Self).map_err(|error| invalid(&error))
        } else {
            let kind = object.get_type().name()?;
            Err(PyTypeError::new_err(format!(
                "destination: a Destination, a DestinationEntry or a str is needed, not {kind}"
            )))
        }
    }
}
