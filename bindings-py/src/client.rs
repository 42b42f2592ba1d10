//! The client.

use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::destination::{Address, Destination, DestinationEntry};
use crate::error::raise;
use crate::info::Info;
use crate::service::{Id, Service, ServiceEntry};

/// A connection to the kernel's IPVS, in the network namespace of the thread that made it.
///
/// `timeout` is how many seconds an exchange with the kernel may take; None or 0 waits for ever. Threads may share a client.
/// Everything needs `CAP_NET_ADMIN`, reading too.
#[pyclass(frozen, module = "ipvs")]
pub(crate) struct Client(ipvs_core::Client);

impl Client {
    /// Runs an operation while other Python threads run.
    fn run<T: Send>(
        &self,
        python: Python<'_>,
        operation: impl FnOnce(&ipvs_core::Client) -> Result<T, ipvs_core::Error> + Send,
    ) -> PyResult<T> {
        python.detach(|| operation(&self.0)).map_err(|error| raise(python, &error))
    }
}

/// A `Destination`, or the text of an address and settings beside it.
fn destination(
    destination: &Bound<'_, PyAny>,
    forwarding: Option<&str>,
    weight: Option<u32>,
) -> PyResult<ipvs_core::Destination> {
    if let Ok(destination) = destination.cast::<Destination>() {
        if forwarding.is_some() || weight.is_some() {
            return Err(PyTypeError::new_err("destination: a Destination has its forwarding and weight itself"));
        }
        return Ok(destination.get().0.clone());
    }
    let Ok(address) = destination.extract::<String>() else {
        let kind = destination.get_type().name()?;
        return Err(PyTypeError::new_err(format!("destination: a Destination or a str is needed, not {kind}")));
    };
    Destination::build(&address, forwarding, weight).map(|destination| destination.0)
}

#[pymethods]
impl Client {
    #[new]
    #[pyo3(
        signature = (*, timeout = Some(ipvs_core::DEFAULT_TIMEOUT.as_secs_f64())),
        text_signature = "(*, timeout=5.0)"
    )]
    fn new(python: Python<'_>, timeout: Option<f64>) -> PyResult<Self> {
        let timeout = timeout
            .map(Duration::try_from_secs_f64)
            .transpose()
            .map_err(|error| PyValueError::new_err(format!("timeout: {error}")))?;
        python
            .detach(|| ipvs_core::Client::connect_with(&ipvs_core::Options::default().with_timeout(timeout)))
            .map(Self)
            .map_err(|error| raise(python, &error))
    }

    /// Version and size of the kernel's IPVS.
    fn info(&self, python: Python<'_>) -> PyResult<Info> {
        self.run(python, ipvs_core::Client::info).map(Info::from)
    }

    /// All virtual services, in the kernel's order.
    fn services(&self, python: Python<'_>) -> PyResult<Vec<ServiceEntry>> {
        Ok(self.run(python, ipvs_core::Client::services)?.into_iter().map(ServiceEntry::from).collect())
    }

    /// One virtual service.
    fn service(&self, python: Python<'_>, service: Id) -> PyResult<ServiceEntry> {
        self.run(python, |client| client.service(&service.0)).map(ServiceEntry::from)
    }

    /// Adds a virtual service.
    fn add_service(&self, python: Python<'_>, service: &Bound<'_, Service>) -> PyResult<()> {
        let service = &service.get().0;
        self.run(python, |client| client.add_service(service))
    }

    /// Gives a virtual service other settings. Its destinations and connections stay.
    fn edit_service(&self, python: Python<'_>, service: &Bound<'_, Service>) -> PyResult<()> {
        let service = &service.get().0;
        self.run(python, |client| client.edit_service(service))
    }

    /// Deletes a virtual service and its destinations.
    fn delete_service(&self, python: Python<'_>, service: Id) -> PyResult<()> {
        self.run(python, |client| client.delete_service(&service.0))
    }

    /// The destinations of a virtual service, in the kernel's order.
    fn destinations(&self, python: Python<'_>, service: Id) -> PyResult<Vec<DestinationEntry>> {
        let entries = self.run(python, |client| client.destinations(&service.0))?;
        Ok(entries.into_iter().map(DestinationEntry::from).collect())
    }

    /// Adds a destination to a virtual service: a Destination, or its address with its settings as keywords.
    #[pyo3(signature = (service, destination, *, forwarding = None, weight = None))]
    fn add_destination(
        &self,
        python: Python<'_>,
        service: Id,
        destination: &Bound<'_, PyAny>,
        forwarding: Option<&str>,
        weight: Option<u32>,
    ) -> PyResult<()> {
        let destination = self::destination(destination, forwarding, weight)?;
        self.run(python, |client| client.add_destination(&service.0, &destination))
    }

    /// Gives a destination other settings, all of them: what is not given goes to its default. Its connections stay.
    #[pyo3(signature = (service, destination, *, forwarding = None, weight = None))]
    fn edit_destination(
        &self,
        python: Python<'_>,
        service: Id,
        destination: &Bound<'_, PyAny>,
        forwarding: Option<&str>,
        weight: Option<u32>,
    ) -> PyResult<()> {
        let destination = self::destination(destination, forwarding, weight)?;
        self.run(python, |client| client.edit_destination(&service.0, &destination))
    }

    /// Deletes a destination of a virtual service.
    fn delete_destination(&self, python: Python<'_>, service: Id, destination: Address) -> PyResult<()> {
        self.run(python, |client| client.delete_destination(&service.0, &destination.0))
    }

    /// Deletes all virtual services.
    fn flush(&self, python: Python<'_>) -> PyResult<()> {
        self.run(python, ipvs_core::Client::flush)
    }
}
