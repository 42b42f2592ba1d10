//! Listings in the form of ipvsadm 1.31.

use std::io::{self, Write};
use std::net::IpAddr;

use ipvs_core::rules::{Columns, List, Listed, Namer, Numeric};
use ipvs_core::{
    Client, Connection, DestinationEntry, Error, Family, Forwarding, Netmask, Protocol, Service, ServiceEntry,
    ServiceId, Tunnel, TunnelChecksum,
};

use crate::Failure;
use crate::names::Shown;
use crate::table::{self, Reading, Table};

/// The longest name of an IPv4 address and its port that is shown in full.
const NAME_WIDTH: usize = 28;

pub(crate) fn write(list: &List, client: &Client, output: &mut impl Write) -> Result<(), Failure> {
    match &list.what {
        Listed::Table { service, columns } => write_table(list, service.as_ref(), *columns, client, output),
        Listed::Connections { persistence } => write_connections(*persistence, list.numeric, client, output),
        Listed::Timeouts => {
            let timeouts = client.timeouts()?;
            Ok(writeln!(output, "Timeout (tcp tcpfin udp): {} {} {}", timeouts.tcp, timeouts.tcp_fin, timeouts.udp)?)
        }
        Listed::Daemons => write_daemons(client, output),
    }
}

fn write_table(
    list: &List,
    service: Option<&ServiceId>,
    columns: Columns,
    client: &Client,
    output: &mut impl Write,
) -> Result<(), Failure> {
    let counted = matches!(columns, Columns::Stats { .. } | Columns::Rate { .. });
    let reading = Reading { numeric: list.numeric, sorted: !list.nosort, counted };
    let Table { services, names } = table::read(service, reading, client)?;
    if service.is_none() {
        let info = client.info()?;
        writeln!(output, "IP Virtual Server version {} (size={})", info.version, info.connection_table_size)?;
    }
    output.write_all(title(columns).as_bytes())?;
    for service in services {
        let service = service?;
        write_service(&service.entry, columns, &*names, output)?;
        for entry in &service.destinations {
            write_destination(&service.entry.service.id, entry, columns, &*names, output)?;
        }
    }
    Ok(())
}

fn title(columns: Columns) -> &'static str {
    match columns {
        Columns::Plain => {
            "Prot LocalAddress:Port Scheduler Flags\n  \
             -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n"
        }
        Columns::Tunnels => {
            "Prot LocalAddress:Port Scheduler Flags\n  \
             -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn\n"
        }
        Columns::Stats { .. } => {
            "Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes\n  -> RemoteAddress:Port\n"
        }
        Columns::Rate { .. } => {
            "Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS\n  -> RemoteAddress:Port\n"
        }
        Columns::Thresholds => {
            "Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn \n  -> RemoteAddress:Port\n"
        }
        Columns::Persistence => {
            "Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn \n  -> RemoteAddress:Port\n"
        }
    }
}

fn write_service(entry: &ServiceEntry, columns: Columns, names: &dyn Namer, output: &mut impl Write) -> io::Result<()> {
    let service = &entry.service;
    let (protocol, name) = match service.id {
        ServiceId::Address { protocol, address } => {
            let name = names.show(address, Some(protocol));
            (protocol.to_string().to_ascii_uppercase(), cut(name, address.ip()))
        }
        ServiceId::Fwmark { mark, family: Family::Ipv4 } => ("FWM".to_owned(), mark.to_string()),
        ServiceId::Fwmark { mark, family: Family::Ipv6 } => ("FWM".to_owned(), format!("{mark} IPv6")),
    };
    if let Some((numbers, exact)) = numbers(columns, &entry.stats) {
        write!(output, "{protocol:<4} {name:<28}")?;
        return write_numbers(numbers, exact, output);
    }
    write!(output, "{protocol:<4} {name} {}", service.scheduler)?;
    write_flags(service, output)?;
    writeln!(output)
}

fn write_flags(service: &Service, output: &mut impl Write) -> io::Result<()> {
    let flags: Vec<_> = service.scheduler_flags.names(&service.scheduler).collect();
    if !flags.is_empty() {
        write!(output, " ({})", flags.join(","))?;
    }
    if let Some(seconds) = service.persistence_timeout {
        write!(output, " persistent {seconds}")?;
        let family = service.id.family();
        if service.netmask != Netmask::host(family) {
            write!(output, " mask {}", service.netmask.text(family))?;
        }
    }
    if let Some(engine) = &service.persistence_engine {
        write!(output, " pe {engine}")?;
    }
    if service.one_packet {
        write!(output, " ops")?;
    }
    Ok(())
}

fn write_destination(
    service: &ServiceId,
    entry: &DestinationEntry,
    columns: Columns,
    names: &dyn Namer,
    output: &mut impl Write,
) -> io::Result<()> {
    let destination = &entry.destination;
    let name = names.show(destination.address, service.protocol());
    let name = cut(name, destination.address.ip());
    write!(output, "  -> {name:<28}")?;
    let (active, inactive) = (entry.active_connections, entry.inactive_connections);
    match columns {
        Columns::Plain => {
            let method = method(destination.forwarding);
            writeln!(output, " {method:<7} {:<6} {active:<10} {inactive:<10}", destination.weight)
        }
        Columns::Tunnels => {
            let (method, tunnel) = (method(destination.forwarding), tunnel(destination.forwarding));
            writeln!(output, " {method:<7} {tunnel:<13} {:<6} {active:<10} {inactive:<10}", destination.weight)
        }
        Columns::Thresholds => {
            let (upper, lower) = (destination.upper_threshold, destination.lower_threshold);
            writeln!(output, " {upper:<10} {lower:<10} {active:<10} {inactive:<10}")
        }
        Columns::Persistence => {
            let (weight, persistent) = (destination.weight, entry.persistent_connections);
            writeln!(output, " {weight:<9} {persistent:<11} {active:<10} {inactive:<10}")
        }
        Columns::Stats { .. } | Columns::Rate { .. } => match numbers(columns, &entry.stats) {
            Some((numbers, exact)) => write_numbers(numbers, exact, output),
            None => writeln!(output),
        },
    }
}

/// An IPv4 name in its column; an IPv6 one takes what it needs.
fn cut(mut name: String, address: IpAddr) -> String {
    if address.is_ipv4()
        && let Some((end, _)) = name.char_indices().nth(NAME_WIDTH)
    {
        name.truncate(end);
    }
    name
}

fn method(forwarding: Forwarding) -> String {
    match forwarding {
        Forwarding::Masquerade => "Masq".to_owned(),
        Forwarding::LocalNode => "Local".to_owned(),
        Forwarding::Tunnel(_) => "Tunnel".to_owned(),
        Forwarding::DirectRoute => "Route".to_owned(),
        Forwarding::Other(number) => number.to_string(),
    }
}

fn tunnel(forwarding: Forwarding) -> String {
    let checksum = |checksum| match checksum {
        TunnelChecksum::Off => ":-c",
        TunnelChecksum::On => ":+c",
        TunnelChecksum::Remote => ":r+c",
    };
    match forwarding {
        Forwarding::Tunnel(Tunnel::Ipip) => "ipip".to_owned(),
        Forwarding::Tunnel(Tunnel::Gue { port, checksum: sum }) => format!("gue:{port}{}", checksum(sum)),
        Forwarding::Tunnel(Tunnel::Gre { checksum: sum }) => format!("gre{}", checksum(sum)),
        Forwarding::Tunnel(Tunnel::Other { number, port, flags }) => format!("{number}:{port}:{flags}"),
        _ => "n/a".to_owned(),
    }
}

/// The numbers of these columns, and whether they are shown in full.
fn numbers(columns: Columns, stats: &ipvs_core::Stats) -> Option<([u64; 5], bool)> {
    match columns {
        Columns::Stats { exact } => {
            Some(([stats.connections, stats.packets_in, stats.packets_out, stats.bytes_in, stats.bytes_out], exact))
        }
        Columns::Rate { exact } => Some((
            [
                stats.connections_per_second,
                stats.packets_in_per_second,
                stats.packets_out_per_second,
                stats.bytes_in_per_second,
                stats.bytes_out_per_second,
            ],
            exact,
        )),
        _ => None,
    }
}

fn write_numbers(numbers: [u64; 5], exact: bool, output: &mut impl Write) -> io::Result<()> {
    for number in numbers {
        if exact {
            write!(output, " {number:>8}")?;
        } else {
            write!(output, "{}", rounded(number))?;
        }
    }
    writeln!(output)
}

/// A number in nine columns: from a hundred millions up only its thousands, then millions, and so on.
fn rounded(number: u64) -> String {
    let (unit, letter) = if number < 100_000_000 {
        return format!("{number:>9}");
    } else if number < 1_000_000_000 {
        (1_000, 'K')
    } else if number < 100_000_000_000 {
        (1_000_000, 'M')
    } else if number < 100_000_000_000_000 {
        (1_000_000_000, 'G')
    } else {
        (1_000_000_000_000, 'T')
    };
    format!("{:>8}{letter}", number / unit)
}

fn write_connections(
    persistence: bool,
    numeric: bool,
    client: &Client,
    output: &mut impl Write,
) -> Result<(), Failure> {
    // With names all of them are looked up at once; without, millions of connections pass by and take no memory.
    let connections: Box<dyn Iterator<Item = Result<Connection, Error>>>;
    let names: Box<dyn Namer>;
    if numeric {
        names = Box::new(Numeric);
        connections = Box::new(client.connections()?);
    } else {
        let all = client.connections()?.collect::<Result<Vec<_>, _>>()?;
        names = Box::new(Shown::new(all.iter().flat_map(|connection| {
            [connection.client.ip(), connection.virtual_address.ip(), connection.destination.ip()]
        })));
        connections = Box::new(all.into_iter().map(Ok));
    }
    output.write_all(b"IPVS connection entries\npro expire state       source             virtual            ")?;
    output.write_all(if persistence { b"destination        pe name          pe_data\n" } else { b"destination\n" })?;
    for connection in connections {
        write_connection(&connection?, persistence, &*names, output)?;
    }
    Ok(())
}

fn write_connection(
    connection: &Connection,
    persistence: bool,
    names: &dyn Namer,
    output: &mut impl Write,
) -> io::Result<()> {
    let protocol = match connection.protocol {
        Protocol::Other(0) => "IP".to_owned(),
        protocol => protocol.to_string().to_ascii_uppercase(),
    };
    let show = |address| names.show(address, Some(connection.protocol));
    write!(
        output,
        "{protocol:<3} {:02}:{:02}  {:<11} {:<18} {:<18} ",
        connection.expires / 60,
        connection.expires % 60,
        connection.state,
        show(connection.client),
        show(connection.virtual_address),
    )?;
    let destination = show(connection.destination);
    match &connection.persistence {
        Some(known) if persistence => writeln!(output, "{destination:<18} {:<16} {}", known.engine, known.data),
        _ => writeln!(output, "{destination}"),
    }
}

fn write_daemons(client: &Client, output: &mut impl Write) -> Result<(), Failure> {
    for daemon in client.daemons()? {
        write!(output, "{} sync daemon (mcast={}, syncid={}", daemon.role, daemon.interface, daemon.sync_id)?;
        if daemon.max_length != 0 {
            write!(output, ", maxlen={}", daemon.max_length)?;
        }
        if let Some(group) = daemon.group {
            write!(output, ", group={group}")?;
        }
        if daemon.port != 0 {
            write!(output, ", port={}", daemon.port)?;
        }
        if daemon.ttl != 0 {
            write!(output, ", ttl={}", daemon.ttl)?;
        }
        writeln!(output, ")")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_where_ipvsadm_rounds_them() {
        for (number, shown) in [
            (0, "        0"),
            (99_999_999, " 99999999"),
            (100_000_000, "  100000K"),
            (999_999_999, "  999999K"),
            (1_000_000_000, "    1000M"),
            (99_999_999_999, "   99999M"),
            (100_000_000_000, "     100G"),
            (99_999_999_999_999, "   99999G"),
            (100_000_000_000_000, "     100T"),
        ] {
            assert_eq!(rounded(number), shown);
        }
    }
}
