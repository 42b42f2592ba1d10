//! Virtual services.

use ipvs_core::ServiceId;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::error::invalid;
use crate::stats::Stats;

/// A virtual service with its settings.
///
/// `id` is its name: `"tcp://10.0.0.1:80"`, `"udp://[2001:db8::1]:53"`, `"sctp://…"`, `"fwmark:7"`, `"fwmark:7/ipv6"`.
/// `scheduler` says how a destination is chosen for a new connection.
#[pyclass(frozen, eq, hash, module = "ipvs")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Service(pub(crate) ipvs_core::Service);

#[pymethods]
impl Service {
    #[new]
    #[pyo3(
        signature = (id, *, scheduler = ipvs_core::DEFAULT_SCHEDULER),
        text_signature = "(id, *, scheduler='wlc')"
    )]
    fn new(id: &str, scheduler: &str) -> PyResult<Self> {
        let id = id.parse().map_err(|error| invalid(&error))?;
        let service = ipvs_core::Service::new(id).with_scheduler(scheduler);
        service.check().map_err(|error| invalid(&error))?;
        Ok(Self(service))
    }

    /// What names the service.
    #[getter]
    fn id(&self) -> String {
        self.0.id.to_string()
    }

    /// How a destination is chosen for a new connection.
    #[getter]
    fn scheduler(&self) -> &str {
        &self.0.scheduler
    }

    fn __str__(&self) -> String {
        self.id()
    }

    fn __repr__(&self) -> String {
        format!("Service('{}', scheduler='{}')", self.0.id, self.0.scheduler)
    }
}

/// What a listing says of a virtual service.
#[pyclass(frozen, module = "ipvs")]
pub(crate) struct ServiceEntry(ipvs_core::ServiceEntry);

impl From<ipvs_core::ServiceEntry> for ServiceEntry {
    fn from(entry: ipvs_core::ServiceEntry) -> Self {
        Self(entry)
    }
}

#[pymethods]
impl ServiceEntry {
    /// The service with its settings.
    #[getter]
    fn service(&self) -> Service {
        Service(self.0.service.clone())
    }

    /// What names the service.
    #[getter]
    fn id(&self) -> String {
        self.0.service.id.to_string()
    }

    /// How a destination is chosen for a new connection.
    #[getter]
    fn scheduler(&self) -> &str {
        &self.0.service.scheduler
    }

    /// Its counters.
    #[getter]
    fn stats(&self) -> Stats {
        self.0.stats.into()
    }

    fn __str__(&self) -> String {
        self.id()
    }

    fn __repr__(&self) -> String {
        format!("<ServiceEntry {} scheduler={}>", self.0.service.id, self.0.service.scheduler)
    }
}

/// A service as a method takes it: a `Service`, a `ServiceEntry` or the text of an id.
#[derive(Clone, Copy)]
pub(crate) struct Id(pub(crate) ServiceId);

impl<'py> FromPyObject<'_, 'py> for Id {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(service) = object.cast::<Service>() {
            Ok(Self(service.get().0.id))
        } else if let Ok(entry) = object.cast::<ServiceEntry>() {
            Ok(Self(entry.get().0.service.id))
        } else if let Ok(text) = object.extract::<String>() {
            text.parse().map(Self).map_err(|error| invalid(&error))
        } else {
            let kind = object.get_type().name()?;
            Err(PyTypeError::new_err(format!("service: a Service, a ServiceEntry or a str is needed, not {kind}")))
        }
    }
}
