//! The connections that the kernel balances.

use std::collections::VecDeque;
use std::net::SocketAddr;

use ipvs_core::{Connection, Error};
use pyo3::prelude::*;

use crate::error::raise;
use crate::held::Held;
use crate::python::{member, record};

/// How many connections are read at once, while other threads run.
const PIECE: usize = 256;

/// The connections, read as they are asked for.
#[pyclass(frozen, module = "ipvs")]
pub(crate) struct Connections(Held<Reading>);

struct Reading {
    file: ipvs_core::Connections,
    read: VecDeque<Result<Connection, Error>>,
}

impl Connections {
    pub fn new(file: ipvs_core::Connections) -> Self {
        Self(Held::new(Reading { file, read: VecDeque::new() }))
    }
}

#[pymethods]
impl Connections {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, python: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let next = self.0.with(python, |Reading { file, read }| {
            if read.is_empty() {
                read.extend(file.by_ref().take(PIECE));
            }
            read.pop_front()
        })?;
        match next {
            Some(Ok(connection)) => to_python(python, &connection).map(Some),
            Some(Err(error)) => Err(raise(python, &error)),
            None => Ok(None),
        }
    }
}

fn to_python<'py>(python: Python<'py>, connection: &Connection) -> PyResult<Bound<'py, PyAny>> {
    let endpoint = |address: SocketAddr| record(python, "Endpoint", (address.ip(), address.port()));
    let known = connection.persistence.as_ref();
    let persistence = known.map(|known| record(python, "PersistenceData", (&known.engine, &known.data))).transpose()?;
    let fields = (
        member(python, "Protocol", &connection.protocol.to_string())?,
        endpoint(connection.client)?,
        endpoint(connection.virtual_address)?,
        endpoint(connection.destination)?,
        &connection.state,
        connection.expires,
        persistence,
    );
    record(python, "Connection", fields)
}
