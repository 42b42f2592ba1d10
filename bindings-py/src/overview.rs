//! What an ordinary user may see of the table.

use std::fmt::Display;

use ipvs_core::{Client, Operation, OverviewId, OverviewService};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::error::raise;
use crate::log::log;
use crate::python::{member, record};

/// What everybody may see of the table in the calling thread's network namespace: no counters, persistence engines,
/// scheduler flags, thresholds and kinds of tunnels, but without any privilege and without a client. What others change
/// meanwhile may be missing or there twice.
#[pyfunction]
pub(crate) fn overview(python: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    let services = python.detach(Client::overview);
    log(python, &Operation::Overview, services.as_ref().err().map(|error| error as &dyn Display))?;
    let services = services.map_err(|error| raise(python, &error))?;
    let services: Vec<_> = services.iter().map(|service| to_python(python, service)).collect::<PyResult<_>>()?;
    PyList::new(python, services)
}

fn to_python<'py>(python: Python<'py>, service: &OverviewService) -> PyResult<Bound<'py, PyAny>> {
    let id = match service.id {
        OverviewId::Address { protocol, address } => format!("{protocol}://{address}"),
        OverviewId::Fwmark(mark) => format!("fwmark:{mark}"),
    };
    let destinations = service.destinations.iter().map(|destination| {
        let fields = (
            destination.address.to_string(),
            member(python, "Forwarding", &destination.forwarding.to_string())?,
            destination.weight,
            destination.active_connections,
            destination.inactive_connections,
        );
        record(python, "OverviewDestination", fields)
    });
    let destinations = destinations.collect::<PyResult<Vec<_>>>()?;
    let fields = (id, &service.scheduler, service.persistent, service.one_packet, PyTuple::new(python, destinations)?);
    record(python, "OverviewService", fields)
}
