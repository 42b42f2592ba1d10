//! Counters.

use pyo3::prelude::*;

/// The counters of a service or a destination: totals since it was made or last zeroed, and rates per second.
///
/// All of them lag by up to 2 s. A service that is deleted and added again starts at zero.
#[pyclass(frozen, eq, hash, get_all, module = "ipvs")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Stats {
    /// Connections scheduled.
    connections: u64,
    /// Packets from clients.
    packets_in: u64,
    /// Packets to clients that passed this machine.
    packets_out: u64,
    /// Bytes from clients.
    bytes_in: u64,
    /// Bytes to clients that passed this machine.
    bytes_out: u64,
    /// New connections a second.
    connections_per_second: u64,
    /// Packets a second from clients.
    packets_in_per_second: u64,
    /// Packets a second to clients.
    packets_out_per_second: u64,
    /// Bytes a second from clients.
    bytes_in_per_second: u64,
    /// Bytes a second to clients.
    bytes_out_per_second: u64,
}

impl From<ipvs_core::Stats> for Stats {
    fn from(stats: ipvs_core::Stats) -> Self {
        Self {
            connections: stats.connections,
            packets_in: stats.packets_in,
            packets_out: stats.packets_out,
            bytes_in: stats.bytes_in,
            bytes_out: stats.bytes_out,
            connections_per_second: stats.connections_per_second,
            packets_in_per_second: stats.packets_in_per_second,
            packets_out_per_second: stats.packets_out_per_second,
            bytes_in_per_second: stats.bytes_in_per_second,
            bytes_out_per_second: stats.bytes_out_per_second,
        }
    }
}

#[pymethods]
impl Stats {
    fn __repr__(&self) -> String {
        format!(
            "<Stats connections={} packets_in={} packets_out={} bytes_in={} bytes_out={}>",
            self.connections, self.packets_in, self.packets_out, self.bytes_in, self.bytes_out
        )
    }
}
