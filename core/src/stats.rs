//! The counters of a service or a destination.

/// Totals since the object was made or last zeroed, and current rates, which the kernel estimates every 2 seconds.
///
/// The totals lag by up to 2 s too, and all of it stands still while the setting `run_estimation` is 0. A service that
/// is deleted and added again starts at zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Connections scheduled (`IPVS_STATS_ATTR_CONNS`).
    pub connections: u64,
    /// Packets from clients (`IPVS_STATS_ATTR_INPKTS`).
    pub packets_in: u64,
    /// Packets to clients that passed this machine, which only masquerading makes them do (`IPVS_STATS_ATTR_OUTPKTS`).
    pub packets_out: u64,
    /// Bytes from clients, headers of layer 3 and up included (`IPVS_STATS_ATTR_INBYTES`).
    pub bytes_in: u64,
    /// Bytes to clients that passed this machine (`IPVS_STATS_ATTR_OUTBYTES`).
    pub bytes_out: u64,
    /// New connections a second (`IPVS_STATS_ATTR_CPS`).
    pub connections_per_second: u64,
    /// Packets a second from clients (`IPVS_STATS_ATTR_INPPS`).
    pub packets_in_per_second: u64,
    /// Packets a second to clients (`IPVS_STATS_ATTR_OUTPPS`).
    pub packets_out_per_second: u64,
    /// Bytes a second from clients (`IPVS_STATS_ATTR_INBPS`).
    pub bytes_in_per_second: u64,
    /// Bytes a second to clients (`IPVS_STATS_ATTR_OUTBPS`).
    pub bytes_out_per_second: u64,
}
