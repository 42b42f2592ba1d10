//! From objects to rules.

use std::fmt;

use super::options::Name;
use super::{Namer, Numeric};
use crate::{
    Command, Destination, Family, Forwarding, Netmask, Protocol, Service, ServiceId, ServiceTable, SyncDaemon, Tunnel,
    TunnelChecksum,
};

/// Writes a table as rules, a line each: what `ipvsadm -S -n` writes, and thresholds, which 1.31 leaves out.
///
/// The table that they restore is the same but for a destination that is the local node: the language has no option for
/// it, so it is written as direct routing, and the kernel finds the address to be local again. What only a newer kernel
/// can have, or another program can make of an older one (other protocols, methods, tunnels, masks with holes), is written
/// so that reading it back fails.
#[must_use]
pub fn print(table: &[ServiceTable]) -> String {
    let mut text = String::new();
    for service in table {
        let id = service.entry.service.id;
        let destinations = service.destinations.iter();
        let commands = std::iter::once(Command::AddService(service.entry.service.clone()))
            .chain(destinations.map(|entry| Command::AddDestination(id, entry.destination.clone())));
        for command in commands {
            text += &RuleDisplay(&command).to_string();
            text.push('\n');
        }
    }
    text
}

/// Shows a command as a rule, without the program's name and with numbers only.
#[derive(Debug, Clone, Copy)]
pub struct RuleDisplay<'a>(pub &'a Command);

impl fmt::Display for RuleDisplay<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        NamedRule(self.0, &Numeric).fmt(f)
    }
}

/// Shows a command as a rule, without the program's name and with these names for addresses and ports.
#[expect(missing_debug_implementations, reason = "what gives names need not have one")]
#[derive(Clone, Copy)]
pub struct NamedRule<'a>(pub &'a Command, pub &'a dyn Namer);

impl fmt::Display for NamedRule<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(command, names) = *self;
        match command {
            Command::AddService(service) => write!(f, "-A {}", ServiceRule(service, names)),
            Command::EditService(service) => write!(f, "-E {}", ServiceRule(service, names)),
            Command::DeleteService(id) => write!(f, "-D {}", IdRule(id, names)),
            Command::AddDestination(id, destination) => {
                write!(f, "-a {} {}", IdRule(id, names), DestinationRule(id, destination, names))
            }
            Command::EditDestination(id, destination) => {
                write!(f, "-e {} {}", IdRule(id, names), DestinationRule(id, destination, names))
            }
            Command::DeleteDestination(id, address) => {
                write!(f, "-d {} -r {}", IdRule(id, names), names.show(*address, id.protocol()))
            }
            Command::Zero(Some(id)) => write!(f, "-Z {}", IdRule(id, names)),
            Command::Zero(None) => f.write_str("-Z"),
            Command::Flush => f.write_str("-C"),
            Command::SetTimeouts(timeouts) => {
                write!(f, "--set {} {} {}", timeouts.tcp, timeouts.tcp_fin, timeouts.udp)
            }
            Command::StartDaemon(daemon) => write_daemon(f, daemon),
            Command::StopDaemon(role) => write!(f, "--stop-daemon {role}"),
        }
    }
}

struct IdRule<'a>(&'a ServiceId, &'a dyn Namer);

impl fmt::Display for IdRule<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ServiceId::Address { protocol, address } => {
                let address = self.1.show(*address, Some(*protocol));
                match protocol {
                    Protocol::Tcp => write!(f, "-t {address}"),
                    Protocol::Udp => write!(f, "-u {address}"),
                    Protocol::Sctp => write!(f, "--sctp-service {address}"),
                    // No option of the language: reading it back says so.
                    Protocol::Other(number) => write!(f, "--protocol-{number} {address}"),
                }
            }
            ServiceId::Fwmark { mark, family: Family::Ipv4 } => write!(f, "-f {mark}"),
            ServiceId::Fwmark { mark, family: Family::Ipv6 } => write!(f, "-f {mark} -6"),
        }
    }
}

struct ServiceRule<'a>(&'a Service, &'a dyn Namer);

impl fmt::Display for ServiceRule<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = self.0;
        write!(f, "{} -s {}", IdRule(&service.id, self.1), service.scheduler)?;
        if let Some(seconds) = service.persistence_timeout {
            write!(f, " -p {seconds}")?;
        }
        let family = service.id.family();
        if service.netmask != Netmask::host(family) {
            write!(f, " -M {}", service.netmask.text(family))?;
        }
        if let Some(engine) = &service.persistence_engine {
            write!(f, " --{} {engine}", Name::PersistEngine.spec().long)?;
        }
        if service.one_packet {
            f.write_str(" -o")?;
        }
        let flags: Vec<_> = service.scheduler_flags.names(&service.scheduler).collect();
        if !flags.is_empty() {
            write!(f, " -b {}", flags.join(","))?;
        }
        Ok(())
    }
}

struct DestinationRule<'a>(&'a ServiceId, &'a Destination, &'a dyn Namer);

impl fmt::Display for DestinationRule<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(service, destination, names) = self;
        let method = match destination.forwarding {
            Forwarding::Masquerade => "-m",
            Forwarding::Tunnel(_) => "-i",
            Forwarding::DirectRoute | Forwarding::LocalNode => "-g",
            // No option of the language: reading it back says so.
            Forwarding::Other(number) => &format!("--forwarding-{number}"),
        };
        let address = names.show(destination.address, service.protocol());
        write!(f, "-r {address} {method} -w {}", destination.weight)?;
        if let Forwarding::Tunnel(tunnel) = destination.forwarding {
            match tunnel {
                Tunnel::Ipip => f.write_str(" --tun-type ipip")?,
                Tunnel::Gue { port, checksum } => {
                    write!(f, " --tun-type gue --tun-port {port} {}", checksum_option(checksum))?;
                }
                Tunnel::Gre { checksum } => write!(f, " --tun-type gre {}", checksum_option(checksum))?,
                // No kind that the language has: reading it back says so.
                Tunnel::Other { number, port, flags } => write!(f, " --tun-type {number}:{port}:{flags}")?,
            }
        }
        let is_own_port = service.port().is_some_and(|port| port != destination.address.port());
        if is_own_port && destination.forwarding != Forwarding::Masquerade {
            write!(f, " --{}", Name::KeepPort.spec().long)?;
        }
        if destination.upper_threshold != 0 {
            write!(f, " -x {}", destination.upper_threshold)?;
        }
        if destination.lower_threshold != 0 {
            write!(f, " -y {}", destination.lower_threshold)?;
        }
        Ok(())
    }
}

fn checksum_option(checksum: TunnelChecksum) -> &'static str {
    match checksum {
        TunnelChecksum::Off => "--tun-nocsum",
        TunnelChecksum::On => "--tun-csum",
        TunnelChecksum::Remote => "--tun-remcsum",
    }
}

fn write_daemon(f: &mut fmt::Formatter<'_>, daemon: &SyncDaemon) -> fmt::Result {
    write!(f, "--start-daemon {} --mcast-interface {} --syncid {}", daemon.role, daemon.interface, daemon.sync_id)?;
    if daemon.max_length != 0 {
        write!(f, " --sync-maxlen {}", daemon.max_length)?;
    }
    if let Some(group) = daemon.group {
        write!(f, " --mcast-group {group}")?;
    }
    if daemon.port != 0 {
        write!(f, " --mcast-port {}", daemon.port)?;
    }
    if daemon.ttl != 0 {
        write!(f, " --mcast-ttl {}", daemon.ttl)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Invocation, Numeric, parse};

    /// Written by Debian's `ipvsadm -S -n` 1.31, but for the thresholds.
    const RULES: &str = "
-A -t 10.0.0.1:0 -s sh -p 60 -b sh-fallback,sh-port
-A -u 10.0.0.1:5061 -s sh -p 100 -M 255.255.0.0 --pe sip -o -b sh-port
-A -t [2001:db8::1]:80 -s wlc -p 360 -M 64
-A -f 10 -6 -s wlc
-A -f 9 -s rr -b flag-1,flag-3
-A --sctp-service 10.0.0.1:80 -s mh -b mh-port
-a -t 10.0.0.1:80 -r 10.2.2.2:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum
-a -t 10.0.0.1:80 -r 10.2.2.5:80 -i -w 1 --tun-type gre --tun-nocsum
-a -t 10.0.0.1:80 -r 10.2.2.6:80 -i -w 1 --tun-type ipip
-a -f 10 -6 -r 10.2.2.2:0 -i -w 1 --tun-type ipip
-a -t 10.0.0.1:80 -r 10.2.2.7:8080 -m -w 2147483647 -x 4294967295 -y 7
-a -t [2001:db8::1]:80 -r [2001:db8::2]:80 -g -w 0
-E -t 10.0.0.1:80 -s wrr
-e -t 10.0.0.1:80 -r 10.2.2.7:80 -g -w 1
-d -t 10.0.0.1:80 -r 10.2.2.7:80
-D -t 10.0.0.1:80
-Z
-Z -f 10 -6
-C
--set 900 120 300
--start-daemon master --mcast-interface eth0 --syncid 5
--start-daemon backup --mcast-interface eth0 --syncid 0 --sync-maxlen 1400 --mcast-group ff02::5 --mcast-port 99 --mcast-ttl 3
--stop-daemon master
";

    #[test]
    fn what_is_read_is_printed_again() {
        for rule in RULES.lines().filter(|line| !line.is_empty()) {
            match parse(rule.split_whitespace(), &Numeric).map(|call| call.invocation) {
                Ok(Invocation::Change(command)) => assert_eq!(RuleDisplay(&command).to_string(), rule),
                other => panic!("{rule}: {other:?}"),
            }
        }
    }
}
