//! Counters as attributes: of a service or a destination, 32-bit or, since Linux 4.1, 64-bit.

use netlink_packet_core::{DecodeError, ErrorContext};

use super::attribute::{Attributes, Value};
use crate::stats::Stats;

const IPVS_STATS_ATTR_CONNS: u16 = 1;
const IPVS_STATS_ATTR_INPKTS: u16 = 2;
const IPVS_STATS_ATTR_OUTPKTS: u16 = 3;
const IPVS_STATS_ATTR_INBYTES: u16 = 4;
const IPVS_STATS_ATTR_OUTBYTES: u16 = 5;
const IPVS_STATS_ATTR_CPS: u16 = 6;
const IPVS_STATS_ATTR_INPPS: u16 = 7;
const IPVS_STATS_ATTR_OUTPPS: u16 = 8;
const IPVS_STATS_ATTR_INBPS: u16 = 9;
const IPVS_STATS_ATTR_OUTBPS: u16 = 10;

/// The counters in these attributes; one that the kernel does not send is 0. `STATS` has 32-bit ones but for the bytes,
/// `STATS64` has 64-bit ones.
pub(super) fn parse_stats(attributes: &[u8]) -> Result<Stats, DecodeError> {
    let mut stats = Stats::default();
    for attribute in Attributes(attributes) {
        let (number, value) = attribute?;
        let counter = match number {
            IPVS_STATS_ATTR_CONNS => &mut stats.connections,
            IPVS_STATS_ATTR_INPKTS => &mut stats.packets_in,
            IPVS_STATS_ATTR_OUTPKTS => &mut stats.packets_out,
            IPVS_STATS_ATTR_INBYTES => &mut stats.bytes_in,
            IPVS_STATS_ATTR_OUTBYTES => &mut stats.bytes_out,
            IPVS_STATS_ATTR_CPS => &mut stats.connections_per_second,
            IPVS_STATS_ATTR_INPPS => &mut stats.packets_in_per_second,
            IPVS_STATS_ATTR_OUTPPS => &mut stats.packets_out_per_second,
            IPVS_STATS_ATTR_INBPS => &mut stats.bytes_in_per_second,
            IPVS_STATS_ATTR_OUTBPS => &mut stats.bytes_out_per_second,
            _ => continue,
        };
        *counter = match value.len() {
            8 => u64::parse(value)?,
            _ => u32::parse(value).context("IPVS_STATS_ATTR")?.into(),
        };
    }
    Ok(stats)
}
