//! IPVS, the layer-4 load balancer in the Linux kernel, steered over generic netlink.
//!
//! ```no_run
//! use ipvs_core::{Client, Destination, Forwarding, Service};
//!
//! let ipvs = Client::connect()?;
//! let web = Service::new("tcp://10.0.0.1:80".parse()?).with_scheduler("wrr");
//! ipvs.add_service(&web)?;
//! let real = Destination::new("192.168.1.10:8080".parse()?).with_forwarding(Forwarding::Masquerade).with_weight(5);
//! ipvs.add_destination(&web.id, &real)?;
//! for entry in ipvs.destinations(&web.id)? {
//!     println!("{}: {} connections", entry.destination.address, entry.active_connections);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Data flows one way: call, object, wire, transport, kernel, and back through the same rooms. The objects
//! ([`Service`], [`Destination`]) are plain data that check themselves; `wire` knows them as bytes and no sockets;
//! `transport` knows one socket and no IPVS; [`Client`] has one method a kernel command; [`rules`] is ipvsadm's command
//! language.
//!
//! What asks the kernel needs `CAP_NET_ADMIN`, reading too; a setting may be changed with it, and by root even without;
//! connections, settings, the sums and [`Client::overview`] are read without. All acts on the network namespace of the
//! thread that connected.

mod apply;
mod client;
mod command;
mod connection;
mod connector;
mod daemon;
mod destination;
mod drain;
mod error;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod info;
mod lock;
mod overview;
mod pool;
mod proc;
mod process;
mod range;
mod report;
pub mod rules;
mod scope;
mod service;
mod setting;
mod stats;
mod table;
mod timeouts;
mod transport;
mod watch;
mod wire;

pub use apply::{Applied, ApplyOptions};
pub use client::{Client, DEFAULT_TIMEOUT, Ensured, Options, ServiceTable};
pub use command::Command;
pub use connection::{Connection, PersistenceData};
pub use daemon::{Role, SyncDaemon};
pub use destination::{
    DEFAULT_WEIGHT, Destination, DestinationEntry, Forwarding, THRESHOLD_MAX, Tunnel, TunnelChecksum, TunnelParts,
    WEIGHT_MAX, parse_destination_address,
};
pub use drain::{Drain, DrainOptions, DrainProgress, DrainState};
pub use error::{Error, ErrorKind, InvalidArgument, Operation};
pub use info::{Info, Version};
pub use lock::{NamespaceLock, OtherWriter};
pub use overview::{OverviewDestination, OverviewId, OverviewService};
pub use pool::{Pool, PoolChanges, PoolConfig, PoolEvent, ServerState};
pub use proc::Connections;
pub use process::process_number;
pub use report::{Outcome, Report};
pub use scope::{Scope, ScopePart};
pub use service::{
    DEFAULT_SCHEDULER, Family, MODULE_NAME_MAX, Netmask, PERSISTENCE_TIMEOUT_MAX, Protocol, SchedulerFlags, Service,
    ServiceEntry, ServiceId, scheduler,
};
pub use setting::{SETTINGS, Setting, SettingKind, SettingValue};
pub use stats::Stats;
pub use table::{Plan, Table};
pub use timeouts::{TIMEOUT_MAX, Timeouts};
pub use transport::seconds;
pub use watch::{Change, FieldChange, Watch};
