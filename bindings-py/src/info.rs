//! What the kernel says of its IPVS as a whole.

use pyo3::prelude::*;

/// Version and size of the kernel's IPVS.
#[pyclass(frozen, eq, hash, get_all, module = "ipvs")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Info {
    /// The version, such as "1.2.1".
    version: String,
    /// Buckets of the connection hash table.
    connection_table_size: u32,
}

impl From<ipvs_core::Info> for Info {
    fn from(info: ipvs_core::Info) -> Self {
        Self { version: info.version.to_string(), connection_table_size: info.connection_table_size }
    }
}

#[pymethods]
impl Info {
    fn __repr__(&self) -> String {
        format!("<Info version={} connection_table_size={}>", self.version, self.connection_table_size)
    }
}
