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
        self.write(f)
    }
}

impl NamedRule<'_> {
    /// Writes it: as `Display` does, but without its detours.
    pub fn write(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        let Self(command, names) = *self;
        match command {
            Command::AddService(service) => write_service(out, "-A ", service, names),
            Command::EditService(service) => write_service(out, "-E ", service, names),
            Command::DeleteService(id) => write_id(out, "-D ", id, names),
            Command::AddDestination(id, destination) => write_destination(out, "-a ", id, destination, names),
            Command::EditDestination(id, destination) => write_destination(out, "-e ", id, destination, names),
            Command::DeleteDestination(id, address) => {
                write_id(out, "-d ", id, names)?;
                out.write_str(" -r ")?;
                names.write(out, *address, id.protocol())
            }
            Command::Zero(Some(id)) => write_id(out, "-Z ", id, names),
            Command::Zero(None) => out.write_str("-Z"),
            Command::Flush => out.write_str("-C"),
            Command::SetTimeouts(timeouts) => {
                write!(out, "--set {} {} {}", timeouts.tcp, timeouts.tcp_fin, timeouts.udp)
            }
            Command::StartDaemon(daemon) => write_daemon(out, daemon),
            Command::StopDaemon(role) => write!(out, "--stop-daemon {role}"),
        }
    }
}

fn write_number(out: &mut dyn fmt::Write, option: &str, number: u32) -> fmt::Result {
    out.write_str(option)?;
    out.write_str(itoa::Buffer::new().format(number))
}

fn write_id(out: &mut dyn fmt::Write, command: &str, id: &ServiceId, names: &dyn Namer) -> fmt::Result {
    out.write_str(command)?;
    match id {
        ServiceId::Address { protocol, address } => {
            match protocol {
                Protocol::Tcp => out.write_str("-t ")?,
                Protocol::Udp => out.write_str("-u ")?,
                Protocol::Sctp => out.write_str("--sctp-service ")?,
                // No option of the language: reading it back says so.
                Protocol::Other(number) => write!(out, "--protocol-{number} ")?,
            }
            names.write(out, *address, Some(*protocol))
        }
        ServiceId::Fwmark { mark, family } => {
            write_number(out, "-f ", *mark)?;
            out.write_str(match family {
                Family::Ipv4 => "",
                Family::Ipv6 => " -6",
            })
        }
    }
}

fn write_service(out: &mut dyn fmt::Write, command: &str, service: &Service, names: &dyn Namer) -> fmt::Result {
    write_id(out, command, &service.id, names)?;
    out.write_str(" -s ")?;
    out.write_str(&service.scheduler)?;
    if let Some(seconds) = service.persistence_timeout {
        write_number(out, " -p ", seconds)?;
    }
    let family = service.id.family();
    if service.netmask != Netmask::host(family) {
        write!(out, " -M {}", service.netmask.text(family))?;
    }
    if let Some(engine) = &service.persistence_engine {
        write!(out, " --{} {engine}", Name::PersistEngine.spec().long)?;
    }
    if service.one_packet {
        out.write_str(" -o")?;
    }
    let flags: Vec<_> = service.scheduler_flags.names(&service.scheduler).collect();
    if !flags.is_empty() {
        write!(out, " -b {}", flags.join(","))?;
    }
    Ok(())
}

fn write_destination(
    out: &mut dyn fmt::Write,
    command: &str,
    service: &ServiceId,
    destination: &Destination,
    names: &dyn Namer,
) -> fmt::Result {
    write_id(out, command, service, names)?;
    out.write_str(" -r ")?;
    names.write(out, destination.address, service.protocol())?;
    match destination.forwarding {
        Forwarding::Masquerade => out.write_str(" -m")?,
        Forwarding::Tunnel(_) => out.write_str(" -i")?,
        Forwarding::DirectRoute | Forwarding::LocalNode => out.write_str(" -g")?,
        // No option of the language: reading it back says so.
        Forwarding::Other(number) => write!(out, " --forwarding-{number}")?,
    }
    write_number(out, " -w ", destination.weight)?;
    if let Forwarding::Tunnel(tunnel) = destination.forwarding {
        match tunnel {
            Tunnel::Ipip => out.write_str(" --tun-type ipip")?,
            Tunnel::Gue { port, checksum } => {
                write!(out, " --tun-type gue --tun-port {port} {}", checksum_option(checksum))?;
            }
            Tunnel::Gre { checksum } => write!(out, " --tun-type gre {}", checksum_option(checksum))?,
            // No kind that the language has: reading it back says so.
            Tunnel::Other { number, port, flags } => write!(out, " --tun-type {number}:{port}:{flags}")?,
        }
    }
    let is_own_port = service.port().is_some_and(|port| port != destination.address.port());
    if is_own_port && destination.forwarding != Forwarding::Masquerade {
        write!(out, " --{}", Name::KeepPort.spec().long)?;
    }
    if destination.upper_threshold != 0 {
        write_number(out, " -x ", destination.upper_threshold)?;
    }
    if destination.lower_threshold != 0 {
        write_number(out, " -y ", destination.lower_threshold)?;
    }
    Ok(())
}

fn checksum_option(checksum: TunnelChecksum) -> &'static str {
    match checksum {
        TunnelChecksum::Off => "--tun-nocsum",
        TunnelChecksum::On => "--tun-csum",
        TunnelChecksum::Remote => "--tun-remcsum",
    }
}

fn write_daemon(f: &mut dyn fmt::Write, daemon: &SyncDaemon) -> fmt::Result {
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
-a -t 10.0.0.1:80 -r 10.2.2.7:8080 -m -w 2147483647 -x 2147483647 -y 7
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
