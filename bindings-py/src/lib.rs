//! The Python module `ipvs._ipvs`: core's objects and client as Python classes. Nothing is decided here.

mod client;
mod destination;
mod error;
mod info;
mod service;
mod stats;

use pyo3::prelude::*;

/// IPVS, the load balancer in the Linux kernel.
#[pymodule]
mod _ipvs {
    #[pymodule_export]
    use crate::client::Client;
    #[pymodule_export]
    use crate::destination::{Destination, DestinationEntry};
    #[pymodule_export]
    use crate::error::Error;
    #[pymodule_export]
    use crate::info::Info;
    #[pymodule_export]
    use crate::service::{Service, ServiceEntry};
    #[pymodule_export]
    use crate::stats::Stats;

    #[pymodule_init]
    fn init(module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        use pyo3::types::PyModuleMethods;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
