//! The Python module `ipvs._ipvs`: core's objects and client as Python classes. Nothing is decided here.

mod argument;
mod client;
mod command;
mod connection;
mod daemon;
mod destination;
mod drain;
mod error;
mod held;
mod lock;
mod log;
mod overview;
mod pool;
mod python;
mod report;
mod service;
mod setting;
mod stats;
mod table;
mod watch;

use pyo3::prelude::*;

/// IPVS, the load balancer in the Linux kernel.
#[pymodule(gil_used = false)]
mod _ipvs {
    use ipvs_core::scheduler;
    use pyo3::exceptions::{PyImportError, PyRuntimeError};
    use pyo3::panic::PanicException;
    use pyo3::prelude::*;
    use pyo3::sync::PyOnceLock;
    use pyo3::types::{IntoPyDict, PyMappingProxy, PyType};

    #[pymodule_export]
    use crate::client::Client;
    #[pymodule_export]
    use crate::command::{Command, parse_rules};
    #[pymodule_export]
    use crate::connection::Connections;
    #[pymodule_export]
    use crate::daemon::SyncDaemon;
    #[pymodule_export]
    use crate::destination::{Destination, DestinationEntry};
    #[pymodule_export]
    use crate::drain::Drain;
    #[pymodule_export]
    use crate::lock::NamespaceLock;
    #[pymodule_export]
    use crate::overview::overview;
    #[pymodule_export]
    use crate::pool::{Pool, PoolChanges};
    #[pymodule_export]
    use crate::report::Report;
    #[pymodule_export]
    use crate::service::{Service, ServiceEntry, service_ids};
    #[pymodule_export]
    use crate::table::{Applied, Plan, Table};
    #[pymodule_export]
    use crate::watch::Watch;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let python = module.py();
        first_interpreter(python)?;
        let schedulers = scheduler::ALL.into_py_dict(python)?;
        module.add("SCHEDULERS", PyMappingProxy::new(python, schedulers.as_mapping()))?;
        module.add("SETTINGS", PyMappingProxy::new(python, crate::setting::known(python)?.as_mapping()))?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("InternalError", internal_error(python)?)?;
        #[cfg(debug_assertions)]
        module.setattr("_panic", wrap_pyfunction!(crate::client::panics, module)?)?;
        Ok(())
    }

    /// The classes of errors and enumerations are found once for the process, so that those of another interpreter would be raised.
    fn first_interpreter(python: Python<'_>) -> PyResult<()> {
        static FIRST: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
        let own = python.import("sys")?;
        if FIRST.get_or_init(python, || own.clone().unbind()).is(&own) {
            return Ok(());
        }
        Err(PyImportError::new_err("ipvs works in the first interpreter of a process that imports it, and in no other"))
    }

    /// What a panic in here becomes, made of pyo3's exception for it. That one is no Exception, and ends a program that handles
    /// all of those.
    fn internal_error(python: Python<'_>) -> PyResult<Bound<'_, PyType>> {
        let class = python.get_type::<PanicException>();
        for (name, value) in [
            ("__name__", "InternalError"),
            ("__qualname__", "InternalError"),
            ("__module__", "ipvs"),
            ("__doc__", "A mistake in this library: please report it. What the operation has done is not known."),
        ] {
            class.setattr(name, value)?;
        }
        // Where a Python to come does not take this, it is no Exception still.
        let _ = class.setattr("__bases__", (python.get_type::<PyRuntimeError>(),));
        Ok(class)
    }
}
