//! Names for numbers in listings, and numbers for names in arguments, both from the system's resolver.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use dns_lookup::{AddrInfoHints, getaddrinfo, getnameinfo, lookup_host};
use ipvs_core::Protocol;
use ipvs_core::rules::{Namer, Resolver};

/// How long all look-ups of a listing together may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many look-ups go on at once.
const LOOK_UPS: usize = 32;

/// Names for a listing: those of hosts looked up at once, those of ports when they are met. What has none keeps its number.
pub(crate) struct Shown {
    hosts: BTreeMap<IpAddr, String>,
    ports: RefCell<BTreeMap<(u16, Protocol), String>>,
}

impl Shown {
    /// Looks up the names of these hosts.
    pub fn new(hosts: impl IntoIterator<Item = IpAddr>) -> Self {
        let unique: BTreeSet<IpAddr> = hosts.into_iter().collect();
        let count = unique.len();
        let queue = Arc::new(Mutex::new(unique.into_iter()));
        let (found, answers) = mpsc::channel();
        for _ in 0..LOOK_UPS.min(count) {
            let (queue, found) = (Arc::clone(&queue), found.clone());
            // A look-up that hangs is left behind: the program does not wait for it when it ends.
            thread::spawn(move || {
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(host) = next else { return };
                    let name = getnameinfo(&SocketAddr::new(host, 0), libc::NI_NAMEREQD).ok().map(|(name, _)| name);
                    if found.send((host, name)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(found);
        let end = Instant::now() + PATIENCE;
        let mut hosts = BTreeMap::new();
        while let Ok((host, name)) = answers.recv_timeout(end.saturating_duration_since(Instant::now())) {
            hosts.extend(name.map(|name| (host, name)));
        }
        Self { hosts, ports: RefCell::default() }
    }

    fn port(&self, port: u16, protocol: Protocol) -> String {
        let name = || port_name(port, protocol).unwrap_or_else(|| port.to_string());
        self.ports.borrow_mut().entry((port, protocol)).or_insert_with(name).clone()
    }
}

impl Namer for Shown {
    fn write(&self, out: &mut dyn fmt::Write, address: SocketAddr, protocol: Option<Protocol>) -> fmt::Result {
        let port = match protocol {
            Some(protocol) => self.port(address.port(), protocol),
            None => address.port().to_string(),
        };
        let host = self.hosts.get(&address.ip()).cloned().unwrap_or_else(|| address.ip().to_string());
        match address {
            SocketAddr::V4(_) => write!(out, "{host}:{port}"),
            SocketAddr::V6(_) => write!(out, "[{host}]:{port}"),
        }
    }
}

fn port_name(port: u16, protocol: Protocol) -> Option<String> {
    let flags = match protocol {
        Protocol::Tcp => 0,
        Protocol::Udp => libc::NI_DGRAM,
        Protocol::Sctp => return sctp_port_name(port),
        Protocol::Other(_) => return None,
    };
    let address = SocketAddr::from(([0; 4], port));
    getnameinfo(&address, libc::NI_NUMERICHOST | flags).ok().map(|(_, port)| port)
}

/// The C library's look-up of an address knows TCP and UDP only.
fn sctp_port_name(port: u16) -> Option<String> {
    let services = fs::read_to_string("/etc/services").ok()?;
    let named = format!("{port}/sctp");
    services.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let name = words.next()?;
        (words.next()? == named).then(|| name.to_owned())
    })
}

/// The system's resolver, for arguments and rules. It is asked for each name once.
#[derive(Default)]
pub(crate) struct Names {
    hosts: Mutex<BTreeMap<String, Option<IpAddr>>>,
    ports: Mutex<BTreeMap<(String, Protocol), Option<u16>>>,
}

impl Resolver for Names {
    fn host(&self, name: &str) -> Option<IpAddr> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        *hosts.entry(name.to_owned()).or_insert_with(|| host(name))
    }

    fn port(&self, name: &str, protocol: Protocol) -> Option<u16> {
        let mut ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        *ports.entry((name.to_owned(), protocol)).or_insert_with(|| port(name, protocol))
    }
}

/// The first address of the host, an IPv4 one if it has any.
fn host(name: &str) -> Option<IpAddr> {
    let addresses: Vec<IpAddr> = lookup_host(name).ok()?.collect();
    addresses.iter().find(|address| address.is_ipv4()).or(addresses.first()).copied()
}

fn port(name: &str, protocol: Protocol) -> Option<u16> {
    let hints = AddrInfoHints { protocol: u16::from(protocol).into(), ..AddrInfoHints::default() };
    let found = getaddrinfo(None, Some(name), Some(hints)).ok()?.next()?.ok()?;
    Some(found.sockaddr.port())
}
