//! Listings in the form of ipvsadm 1.31.

use std::io::{self, Write};

use ipvs_core::rules::List;
use ipvs_core::{Client, DestinationEntry, Family, Forwarding, Protocol, ServiceEntry, ServiceId, ServiceTable, Stats};

use crate::Failure;
use crate::names::show;

pub(crate) fn write(list: &List, client: &Client, output: &mut impl Write) -> Result<(), Failure> {
    let mut table = if let Some(id) = &list.service {
        vec![ServiceTable::new(client.service(id)?, client.destinations(id)?)]
    } else {
        let info = client.info()?;
        writeln!(output, "IP Virtual Server version {} (size={})", info.version, info.connection_table_size)?;
        client.snapshot()?
    };
    table.sort_by_key(|service| order(&service.entry.service.id));
    write_header(list, output)?;
    for mut service in table {
        write_service(list, &service.entry, output)?;
        service.destinations.sort_by_key(|entry| entry.destination.address);
        for entry in &service.destinations {
            write_destination(list, &service.entry.service.id, entry, output)?;
        }
    }
    Ok(())
}

/// ipvsadm's order: IPv4, IPv6, then firewall marks; within them by protocol, address and port.
fn order(id: &ServiceId) -> (bool, Family, ServiceId) {
    (matches!(id, ServiceId::Fwmark { .. }), id.family(), *id)
}

fn write_header(list: &List, output: &mut impl Write) -> io::Result<()> {
    if list.stats {
        let titles = ["Conns", "InPkts", "OutPkts", "InBytes", "OutBytes"];
        write!(output, "{:<33}", "Prot LocalAddress:Port")?;
        titles.iter().try_for_each(|title| write!(output, " {title:>8}"))?;
        writeln!(output, "\n  -> RemoteAddress:Port")
    } else {
        writeln!(output, "Prot LocalAddress:Port Scheduler Flags")?;
        writeln!(output, "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn")
    }
}

fn write_service(list: &List, entry: &ServiceEntry, output: &mut impl Write) -> io::Result<()> {
    let name = match entry.service.id {
        ServiceId::Address { protocol, address } => {
            let name = show(address, protocol, list.numeric);
            format!("{:<4} {name}", protocol.to_string().to_uppercase())
        }
        ServiceId::Fwmark { mark, family: Family::Ipv4 } => format!("FWM  {mark}"),
        ServiceId::Fwmark { mark, family: Family::Ipv6 } => format!("FWM  {mark} IPv6"),
    };
    if list.stats {
        write!(output, "{name:<33}")?;
        write_stats(&entry.stats, output)
    } else {
        writeln!(output, "{name} {}", entry.service.scheduler)
    }
}

fn write_destination(
    list: &List,
    service: &ServiceId,
    entry: &DestinationEntry,
    output: &mut impl Write,
) -> io::Result<()> {
    let destination = &entry.destination;
    let protocol = match service {
        ServiceId::Address { protocol, .. } => *protocol,
        ServiceId::Fwmark { .. } => Protocol::Tcp,
    };
    write!(output, "  -> {:<28}", show(destination.address, protocol, list.numeric))?;
    if list.stats {
        return write_stats(&entry.stats, output);
    }
    let forwarding = match destination.forwarding {
        Forwarding::Masquerade => "Masq".to_owned(),
        Forwarding::LocalNode => "Local".to_owned(),
        Forwarding::Tunnel(_) => "Tunnel".to_owned(),
        Forwarding::DirectRoute => "Route".to_owned(),
        Forwarding::Other(number) => number.to_string(),
    };
    writeln!(
        output,
        " {forwarding:<7} {:<6} {:<10} {:<10}",
        destination.weight, entry.active_connections, entry.inactive_connections
    )
}

fn write_stats(stats: &Stats, output: &mut impl Write) -> io::Result<()> {
    for number in [stats.connections, stats.packets_in, stats.packets_out, stats.bytes_in, stats.bytes_out] {
        write!(output, "{}", rounded(number))?;
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
