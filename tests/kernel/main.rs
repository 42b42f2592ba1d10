//! Tests against a real IPVS kernel, inside the guest. Each has a network namespace of its own, and Debian's `ipvsadm`
//! as its witness.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's way to fail")]

mod apply;
mod batch;
mod cli;
mod client;
mod connection;
mod daemon;
mod destination;
mod differential;
mod drain;
mod faces;
mod manual;
mod namespace;
mod policy;
mod pool;
mod restore;
mod save;
mod security;
mod service;
mod setting;
mod timeouts;

use namespace::eventually;
