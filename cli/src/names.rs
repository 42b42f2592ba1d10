//! Names for numbers in listings, and numbers for names in arguments, both from the system's resolver.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dns_lookup::{AddrInfoHints, getaddrinfo, getnameinfo};
use ipvs_core::rules::{Namer, Resolver};
use ipvs_core::{Family, Protocol};

use crate::new_thread;

/// How long all look-ups of a listing together may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many look-ups begin at once, after how long as many again, and how many there are at most: one that nobody answers
/// keeps its thread, and not the others'.
const LOOK_UPS: usize = 32;
const GROWTH: Duration = Duration::from_millis(20);
const LOOK_UPS_MAX: usize = 512;

/// What was asked for, each once in the life of the program.
type Asked<Key, Answer> = Mutex<BTreeMap<Key, Option<Answer>>>;

/// The system's resolver, for arguments and rules and for listings.
#[derive(Default)]
pub(crate) struct Names {
    addresses: Asked<(String, Option<Family>), IpAddr>,
    ports: Asked<(String, Protocol), u16>,
    hosts: Asked<IpAddr, String>,
    services: Asked<(u16, Protocol), String>,
}

fn lock<T>(asked: &Mutex<T>) -> MutexGuard<'_, T> {
    asked.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Names {
    /// Looks up the names of these hosts, all at once. What has none, or none in time, is a number from then on.
    pub fn look_up(&self, hosts: impl IntoIterator<Item = IpAddr>) {
        let mut known = lock(&self.hosts);
        let unknown: BTreeSet<IpAddr> = hosts.into_iter().filter(|host| !known.contains_key(host)).collect();
        known.extend(unknown.iter().map(|host| (*host, None)));
        known.extend(names_of(unknown));
    }
}

impl Namer for Names {
    fn write(&self, out: &mut dyn fmt::Write, address: SocketAddr, protocol: Option<Protocol>) -> fmt::Result {
        let port = address.port();
        let mut services = lock(&self.services);
        let service = protocol.and_then(|protocol| {
            services.entry((port, protocol)).or_insert_with(|| port_name(port, protocol)).as_deref()
        });
        let (host, port) = (address.ip().to_string(), port.to_string());
        let hosts = lock(&self.hosts);
        let name = hosts.get(&address.ip()).and_then(Option::as_deref);
        let (host, port) = (name.unwrap_or(&host), service.unwrap_or(&port));
        match address {
            SocketAddr::V4(_) => write!(out, "{host}:{port}"),
            SocketAddr::V6(_) => write!(out, "[{host}]:{port}"),
        }
    }
}

/// The names of these hosts that are found in time.
fn names_of(hosts: BTreeSet<IpAddr>) -> Vec<(IpAddr, Option<String>)> {
    let count = hosts.len();
    let queue = Arc::new(Mutex::new(hosts.into_iter()));
    let (found, answers) = mpsc::channel();
    let begin_look_ups = |threads: usize| {
        for _ in 0..LOOK_UPS.min(lock(&queue).len()).min(LOOK_UPS_MAX - threads) {
            let (queue, found) = (Arc::clone(&queue), found.clone());
            // A look-up that hangs is left behind: the program does not wait for it when it ends.
            let look_up = move || {
                while let Some(host) = { lock(&queue).next() } {
                    let name = getnameinfo(&SocketAddr::new(host, 0), libc::NI_NAMEREQD).ok().map(|(name, _)| name);
                    if found.send((host, name)).is_err() {
                        return;
                    }
                }
            };
            if new_thread().spawn(look_up).is_err() {
                // There are too many already; the others go on.
                break;
            }
        }
        (threads + LOOK_UPS).min(LOOK_UPS_MAX)
    };
    let begin = Instant::now();
    let (mut threads, mut growth) = (0, begin);
    let mut named = Vec::with_capacity(count);
    while named.len() < count && begin.elapsed() < PATIENCE {
        if Instant::now() >= growth {
            threads = begin_look_ups(threads);
            growth += GROWTH;
        }
        named.extend(answers.recv_timeout(growth.saturating_duration_since(Instant::now())));
    }
    named
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

impl Resolver for Names {
    fn host(&self, name: &str, family: Option<Family>) -> Option<IpAddr> {
        let mut addresses = lock(&self.addresses);
        *addresses.entry((name.to_owned(), family)).or_insert_with(|| host(name, family))
    }

    fn port(&self, name: &str, protocol: Protocol) -> Option<u16> {
        let mut ports = lock(&self.ports);
        *ports.entry((name.to_owned(), protocol)).or_insert_with(|| port(name, protocol))
    }

    fn on_unknown(&self) -> &'static str {
        "no such name is known"
    }
}

/// The first address of the host in this family, or an IPv4 one if it has any.
fn host(name: &str, family: Option<Family>) -> Option<IpAddr> {
    // What has only digits and dots is an address in one of the C library's forms, and nobody is asked for it.
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let hints = AddrInfoHints {
        flags: if is_number { libc::AI_NUMERICHOST } else { 0 },
        address: match family {
            None => libc::AF_UNSPEC,
            Some(Family::Ipv4) => libc::AF_INET,
            Some(Family::Ipv6) => libc::AF_INET6,
        },
        socktype: libc::SOCK_STREAM,
        ..AddrInfoHints::default()
    };
    let found = getaddrinfo(Some(name), None, Some(hints)).ok()?;
    let addresses: Vec<IpAddr> = found.filter_map(|found| Some(found.ok()?.sockaddr.ip())).collect();
    addresses.iter().find(|address| address.is_ipv4()).or(addresses.first()).copied()
}

fn port(name: &str, protocol: Protocol) -> Option<u16> {
    let hints = AddrInfoHints { protocol: u16::from(protocol).into(), ..AddrInfoHints::default() };
    let found = getaddrinfo(None, Some(name), Some(hints)).ok()?.next()?.ok()?;
    Some(found.sockaddr.port())
}
