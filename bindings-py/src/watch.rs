//! What changed from one look at the table to the next.

use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use ipvs_core::{Change, Client, Error, FieldChange, Operation};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::destination::Destination;
use crate::error::raise;
use crate::held::Held;
use crate::log::log;
use crate::python::{member, record, sleep};
use crate::service::Service;

/// What changes in the table: an iterator of Change that never ends, and looks every `interval` seconds when it is asked for
/// more. The kernel announces nothing: each look reads the whole table, and what came and went between two is not seen.
#[pyclass(frozen, module = "ipvs")]
pub(crate) struct Watch {
    /// It lives as long as one of its watches.
    client: Arc<Client>,
    interval: Duration,
    seen: Held<Seen>,
}

struct Seen {
    watch: ipvs_core::Watch,
    /// Changes that nobody has asked for yet.
    rest: VecDeque<Change>,
}

impl Watch {
    /// The first look has been.
    pub fn new(client: Arc<Client>, interval: Duration, watch: ipvs_core::Watch) -> Self {
        Self { client, interval, seen: Held::new(Seen { watch, rest: VecDeque::new() }) }
    }

    /// Looks again, while other Python threads run.
    fn look_again(&self, python: Python<'_>) -> PyResult<()> {
        let result = self.seen.with(python, |seen| {
            let changes = seen.watch.look(&self.client)?;
            seen.rest.extend(changes);
            Ok(())
        })?;
        log(python, &Operation::Services, result.as_ref().err().map(|error: &Error| error as &dyn Display))?;
        result.map_err(|error| raise(python, &error))
    }
}

#[pymethods]
impl Watch {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        loop {
            if let Some(change) = self.seen.with(python, |seen| seen.rest.pop_front())? {
                return to_python(python, &change);
            }
            sleep(python, self.interval)?;
            self.look_again(python)?;
        }
    }

    /// Looks now, without sleeping: the list of all changes that nobody has seen yet.
    fn look<'py>(&self, python: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        self.look_again(python)?;
        let changes = self.seen.with(python, |seen| std::mem::take(&mut seen.rest))?;
        changes.iter().map(|change| to_python(python, change)).collect()
    }
}

fn to_python<'py>(python: Python<'py>, change: &Change) -> PyResult<Bound<'py, PyAny>> {
    let settings = match change {
        Change::ServiceAdded(service) => Some(Bound::new(python, Service(service.clone()))?.into_any()),
        Change::DestinationAdded(_, added) => Some(Bound::new(python, Destination(added.clone()))?.into_any()),
        _ => None,
    };
    let fields: &[FieldChange] = match change {
        Change::ServiceChanged(_, fields) | Change::DestinationChanged(_, _, fields) => fields,
        _ => &[],
    };
    let field = |change: &FieldChange| record(python, "FieldChange", (change.field, &change.before, &change.after));
    let parts = (
        member(python, "ChangeKind", change.name())?,
        change.service().to_string(),
        change.destination().map(|address| address.to_string()),
        settings,
        PyTuple::new(python, fields.iter().map(field).collect::<PyResult<Vec<_>>>()?)?,
        change.to_string(),
    );
    record(python, "Change", parts)
}
