//! The lock of a network namespace.

use std::sync::{Mutex, PoisonError};

use ipvs_core::OtherWriter;
use pyo3::prelude::*;

use crate::python::record;

/// The lock of a network namespace, held until it is closed, at the end of its `with` block, or with the process. A child that was
/// forked meanwhile holds it too, until it runs another program or ends.
#[pyclass(frozen, module = "ipvs")]
pub(crate) struct NamespaceLock(Mutex<Option<ipvs_core::NamespaceLock>>);

impl NamespaceLock {
    pub fn new(lock: ipvs_core::NamespaceLock) -> Self {
        Self(Mutex::new(Some(lock)))
    }
}

#[pymethods]
impl NamespaceLock {
    /// Gives it back; to do so twice does nothing.
    fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyAny>) {
        self.close();
    }
}

pub(crate) fn other_writer<'py>(python: Python<'py>, writer: &OtherWriter) -> PyResult<Bound<'py, PyAny>> {
    record(python, "OtherWriter", (&writer.name, writer.process))
}
