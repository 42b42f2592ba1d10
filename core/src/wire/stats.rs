//! Counters as attributes: of a service or a destination, 32-bit or, since Linux 4.1, 64-bit.

use netlink_packet_core::DecodeError;

use super::attribute::{Value, attributes};
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

/// A counter of 32 or 64 bits: `STATS` has 32-bit ones but for the bytes, `STATS64` has 64-bit ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counter(u64);

impl Value for Counter {
    fn length(&self) -> usize {
        8
    }
    fn emit(&self, buffer: &mut [u8]) {
        self.0.emit(buffer);
    }
    fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        match bytes.len() {
            4 => u32::parse(bytes).map(|number| Self(number.into())),
            _ => u64::parse(bytes).map(Self),
        }
    }
}

attributes! {
    enum StatsAttr {
        Connections(Counter) = IPVS_STATS_ATTR_CONNS,
        PacketsIn(Counter) = IPVS_STATS_ATTR_INPKTS,
        PacketsOut(Counter) = IPVS_STATS_ATTR_OUTPKTS,
        BytesIn(Counter) = IPVS_STATS_ATTR_INBYTES,
        BytesOut(Counter) = IPVS_STATS_ATTR_OUTBYTES,
        ConnectionsPerSecond(Counter) = IPVS_STATS_ATTR_CPS,
        PacketsInPerSecond(Counter) = IPVS_STATS_ATTR_INPPS,
        PacketsOutPerSecond(Counter) = IPVS_STATS_ATTR_OUTPPS,
        BytesInPerSecond(Counter) = IPVS_STATS_ATTR_INBPS,
        BytesOutPerSecond(Counter) = IPVS_STATS_ATTR_OUTBPS,
    }
}

/// The counters; one that the kernel does not send is 0.
pub(super) fn parse_stats(attributes: &[StatsAttr]) -> Stats {
    let mut stats = Stats::default();
    for attribute in attributes {
        let (field, Counter(value)) = match attribute {
            StatsAttr::Connections(value) => (&mut stats.connections, value),
            StatsAttr::PacketsIn(value) => (&mut stats.packets_in, value),
            StatsAttr::PacketsOut(value) => (&mut stats.packets_out, value),
            StatsAttr::BytesIn(value) => (&mut stats.bytes_in, value),
            StatsAttr::BytesOut(value) => (&mut stats.bytes_out, value),
            StatsAttr::ConnectionsPerSecond(value) => (&mut stats.connections_per_second, value),
            StatsAttr::PacketsInPerSecond(value) => (&mut stats.packets_in_per_second, value),
            StatsAttr::PacketsOutPerSecond(value) => (&mut stats.packets_out_per_second, value),
            StatsAttr::BytesInPerSecond(value) => (&mut stats.bytes_in_per_second, value),
            StatsAttr::BytesOutPerSecond(value) => (&mut stats.bytes_out_per_second, value),
            StatsAttr::Other(_) => continue,
        };
        *field = *value;
    }
    stats
}
