//! The objects as bytes of the generic netlink family `IPVS`, in both directions. Knows no sockets.
//!
//! Numbers are in native byte order unless their type says otherwise. The kernel's side is
//! `include/uapi/linux/ip_vs.h` and `net/netfilter/ipvs/ip_vs_ctl.c`.

mod attribute;
mod daemon;
mod destination;
mod info;
mod message;
mod service;
mod stats;

pub(crate) use message::{
    IPVS_GENL_NAME, Request, names_tunnel_type, parse_daemon, parse_destination, parse_info, parse_service,
    parse_timeouts,
};

#[cfg(test)]
pub(crate) mod answers;
#[cfg(test)]
pub(crate) mod strategies;
#[cfg(test)]
pub(crate) mod tests;
