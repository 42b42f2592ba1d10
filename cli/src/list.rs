//! Listings in the form of ipvsadm 1.31.

use std::io::Write;
use std::net::SocketAddr;

use ipvs_core::rules::{Columns, List, Listed, Namer, Numeric};
use ipvs_core::{
    Client, Connection, DestinationEntry, Error, Family, Forwarding, Netmask, Protocol, ServiceEntry, ServiceId,
    Tunnel, TunnelChecksum,
};

use crate::Failure;
use crate::line::Line;
use crate::names::Names;
use crate::table::{self, Reading, Table};

/// The longest name of an IPv4 address and its port that is shown in full.
const NAME_WIDTH: usize = 28;

pub(crate) fn write(list: &List, client: &Client, names: &Names, output: &mut impl Write) -> Result<(), Failure> {
    match &list.what {
        Listed::Table { service, columns } => write_table(list, service.as_ref(), *columns, (client, names), output),
        Listed::Connections { persistence } => write_connections(*persistence, list.numeric, (client, names), output),
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
    (client, names): (&Client, &Names),
    output: &mut impl Write,
) -> Result<(), Failure> {
    let counted = matches!(columns, Columns::Stats { .. } | Columns::Rate { .. });
    let reading = Reading { numeric: list.numeric, sorted: !list.nosort, counted };
    let Table { services, names } = table::read(service, reading, client, names)?;
    if service.is_none() {
        let info = client.info()?;
        writeln!(output, "IP Virtual Server version {} (size={})", info.version, info.connection_table_size)?;
    }
    output.write_all(title(columns).as_bytes())?;
    let mut line = Line::default();
    for service in services {
        let service = service?;
        put_service(&service.entry, columns, names, &mut line);
        line.end(output)?;
        for entry in &service.destinations {
            put_destination(&service.entry.service.id, entry, columns, names, &mut line);
            line.end(output)?;
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

fn put_service(entry: &ServiceEntry, columns: Columns, names: &dyn Namer, line: &mut Line) {
    let service = &entry.service;
    let numbers = numbers(columns, &entry.stats);
    line.column(4, |line| match service.id.protocol() {
        Some(protocol) => line.text(&protocol.to_string().to_ascii_uppercase()),
        None => line.text("FWM"),
    });
    line.text(" ").column(if numbers.is_some() { NAME_WIDTH } else { 0 }, |line| match service.id {
        ServiceId::Address { protocol, address } => put_address(names, address, Some(protocol), line),
        ServiceId::Fwmark { mark, family: Family::Ipv4 } => line.number(mark),
        ServiceId::Fwmark { mark, family: Family::Ipv6 } => line.number(mark).text(" IPv6"),
    });
    if let Some((numbers, exact)) = numbers {
        put_numbers(numbers, exact, line);
        return;
    }
    line.text(" ").text(&service.scheduler);
    let flags: Vec<_> = service.scheduler_flags.names(&service.scheduler).collect();
    if !flags.is_empty() {
        line.text(" (").text(&flags.join(",")).text(")");
    }
    if let Some(seconds) = service.persistence_timeout {
        line.text(" persistent ").number(seconds);
        let family = service.id.family();
        if service.netmask != Netmask::host(family) {
            line.text(" mask ").text(&service.netmask.text(family));
        }
    }
    if let Some(engine) = &service.persistence_engine {
        line.text(" pe ").text(engine);
    }
    if service.one_packet {
        line.text(" ops");
    }
}

fn put_destination(
    service: &ServiceId,
    entry: &DestinationEntry,
    columns: Columns,
    names: &dyn Namer,
    line: &mut Line,
) {
    let destination = &entry.destination;
    line.text("  -> ").column(NAME_WIDTH, |line| put_address(names, destination.address, service.protocol(), line));
    if let Some((numbers, exact)) = numbers(columns, &entry.stats) {
        put_numbers(numbers, exact, line);
        return;
    }
    line.text(" ");
    match columns {
        Columns::Thresholds => {
            line.column(10, |line| line.number(destination.upper_threshold)).text(" ");
            line.column(10, |line| line.number(destination.lower_threshold));
        }
        Columns::Persistence => {
            line.column(9, |line| line.number(destination.weight)).text(" ");
            line.column(11, |line| line.number(entry.persistent_connections));
        }
        _ => {
            line.column(7, |line| put_method(destination.forwarding, line)).text(" ");
            if columns == Columns::Tunnels {
                line.column(13, |line| put_tunnel(destination.forwarding, line)).text(" ");
            }
            line.column(6, |line| line.number(destination.weight));
        }
    }
    line.text(" ").column(10, |line| line.number(entry.active_connections));
    line.text(" ").column(10, |line| line.number(entry.inactive_connections));
}

/// An IPv4 address and its port fill their column at most; an IPv6 one takes what it needs.
fn put_address<'a>(
    names: &dyn Namer,
    address: SocketAddr,
    protocol: Option<Protocol>,
    line: &'a mut Line,
) -> &'a mut Line {
    line.address(names, address, protocol, if address.is_ipv4() { NAME_WIDTH } else { usize::MAX })
}

fn put_method(forwarding: Forwarding, line: &mut Line) -> &mut Line {
    match forwarding {
        Forwarding::Masquerade => line.text("Masq"),
        Forwarding::LocalNode => line.text("Local"),
        Forwarding::Tunnel(_) => line.text("Tunnel"),
        Forwarding::DirectRoute => line.text("Route"),
        Forwarding::Other(number) => line.number(number),
    }
}

fn put_tunnel(forwarding: Forwarding, line: &mut Line) -> &mut Line {
    let checksum = |checksum| match checksum {
        TunnelChecksum::Off => ":-c",
        TunnelChecksum::On => ":+c",
        TunnelChecksum::Remote => ":r+c",
    };
    match forwarding {
        Forwarding::Tunnel(Tunnel::Ipip) => line.text("ipip"),
        Forwarding::Tunnel(Tunnel::Gue { port, checksum: sum }) => line.text("gue:").number(port).text(checksum(sum)),
        Forwarding::Tunnel(Tunnel::Gre { checksum: sum }) => line.text("gre").text(checksum(sum)),
        Forwarding::Tunnel(Tunnel::Other { number, port, flags }) => {
            line.number(number).text(":").number(port).text(":").number(flags)
        }
        _ => line.text("n/a"),
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

fn put_numbers(numbers: [u64; 5], exact: bool, line: &mut Line) {
    for number in numbers {
        if exact {
            line.text(" ").number_right(8, number);
        } else {
            put_rounded(number, line);
        }
    }
}

/// A number in nine columns: from a hundred millions up only its thousands, then millions, and so on.
fn put_rounded(number: u64, line: &mut Line) {
    let (unit, letter) = if number < 100_000_000 {
        line.number_right(9, number);
        return;
    } else if number < 1_000_000_000 {
        (1_000, "K")
    } else if number < 100_000_000_000 {
        (1_000_000, "M")
    } else if number < 100_000_000_000_000 {
        (1_000_000_000, "G")
    } else {
        (1_000_000_000_000, "T")
    };
    line.number_right(8, number / unit).text(letter);
}

fn write_connections(
    persistence: bool,
    numeric: bool,
    (client, names): (&Client, &Names),
    output: &mut impl Write,
) -> Result<(), Failure> {
    // With names all of them are looked up at once; without, millions of connections pass by and take no memory.
    let connections: Box<dyn Iterator<Item = Result<Connection, Error>>>;
    let shown: &dyn Namer;
    if numeric {
        shown = &Numeric;
        connections = Box::new(client.connections()?);
    } else {
        let all = client.connections()?.collect::<Result<Vec<_>, _>>()?;
        names.look_up(all.iter().flat_map(|connection| {
            [connection.client.ip(), connection.virtual_address.ip(), connection.destination.ip()]
        }));
        shown = names;
        connections = Box::new(all.into_iter().map(Ok));
    }
    output.write_all(b"IPVS connection entries\npro expire state       source             virtual            ")?;
    output.write_all(if persistence { b"destination        pe name          pe_data\n" } else { b"destination\n" })?;
    let mut line = Line::default();
    for connection in connections {
        put_connection(&connection?, persistence, shown, &mut line);
        line.end(output)?;
    }
    Ok(())
}

fn put_connection(connection: &Connection, persistence: bool, names: &dyn Namer, line: &mut Line) {
    let protocol = match connection.protocol {
        Protocol::Other(0) => "IP".to_owned(),
        protocol => protocol.to_string().to_ascii_uppercase(),
    };
    let (minutes, seconds) = (connection.expires / 60, connection.expires % 60);
    line.shown(format_args!("{protocol:<3} {minutes:02}:{seconds:02}  {:<11} ", connection.state));
    let protocol = Some(connection.protocol);
    for address in [connection.client, connection.virtual_address] {
        line.column(18, |line| line.address(names, address, protocol, usize::MAX)).text(" ");
    }
    let destination = connection.destination;
    match &connection.persistence {
        Some(known) if persistence => line
            .column(16, |line| line.address(names, destination, protocol, usize::MAX))
            .shown(format_args!(" {:<18} {}", known.engine, known.data)),
        _ => line.address(names, destination, protocol, usize::MAX),
    };
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
            let mut line = Line::default();
            put_rounded(number, &mut line);
            assert_eq!(line, *Line::default().text(shown));
        }
    }
}
