//! `/proc/net/ip_vs` (`ip_vs_info_seq_show`).

use super::{parse_address, parse_protocol};
use crate::Forwarding;
use crate::overview::{OverviewDestination, OverviewId, OverviewService};

/// The whole file: three lines of title, then services, each with its destinations below it. What is neither is
/// skipped, as newer kernels may say more.
pub(crate) fn parse_overview(text: &str) -> Vec<OverviewService> {
    let mut services: Vec<OverviewService> = Vec::new();
    for line in text.lines().skip(3) {
        if let Some(destination) = line.trim_start().strip_prefix("-> ") {
            if let (Some(service), Some(destination)) = (services.last_mut(), parse_destination(destination)) {
                service.destinations.push(destination);
            }
        } else {
            services.extend(parse_service(line));
        }
    }
    services
}

fn parse_service(line: &str) -> Option<OverviewService> {
    let mut words = line.split_ascii_whitespace();
    let (protocol, name, scheduler) = (words.next()?, words.next()?, words.next()?);
    let id = if protocol == "FWM" {
        OverviewId::Fwmark(u32::from_str_radix(name, 16).ok()?)
    } else {
        let (ip, port) = name.rsplit_once(':')?;
        OverviewId::Address { protocol: parse_protocol(protocol)?, address: parse_address(ip, port)? }
    };
    let flags: Vec<&str> = words.collect();
    Some(OverviewService {
        id,
        scheduler: scheduler.to_owned(),
        persistent: flags.contains(&"persistent"),
        one_packet: flags.contains(&"ops"),
        destinations: Vec::new(),
    })
}

fn parse_destination(line: &str) -> Option<OverviewDestination> {
    let mut words = line.split_ascii_whitespace();
    let (ip, port) = words.next()?.rsplit_once(':')?;
    Some(OverviewDestination {
        address: parse_address(ip, port)?,
        // `ip_vs_fwd_name`.
        forwarding: match words.next()? {
            "Masq" => Forwarding::Masquerade,
            "Local" => Forwarding::LocalNode,
            "Tunnel" => Forwarding::TUNNEL,
            "Bypass" => Forwarding::Other(4),
            "Route" => Forwarding::DirectRoute,
            _ => return None,
        },
        weight: words.next()?.parse().ok()?,
        active_connections: words.next()?.parse().ok()?,
        inactive_connections: words.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Recorded: `cat /proc/net/ip_vs`, Linux 6.1.
    const RECORDED: &str = "IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  0A000001:0050 wrr  persistent 36000 FFFFFFFF
  -> C0A8010A:1F90      Masq    5      3          1         
UDP  [2001:0db8:0000:0000:0000:0000:0000:0001]:0035 rr ops
  -> [2001:0db8:0000:0000:0000:0000:0000:000a]:0035      Tunnel  1      0          0         
FWM  00000007 rr  
";

    #[test]
    fn services_and_destinations_are_read() {
        let services = parse_overview(RECORDED);
        assert_eq!(services.len(), 3);
        assert_eq!(
            services[0].id,
            OverviewId::Address { protocol: crate::Protocol::Tcp, address: "10.0.0.1:80".parse().unwrap() }
        );
        assert!(services[0].persistent && !services[0].one_packet);
        assert_eq!(services[0].destinations[0].address, "192.168.1.10:8080".parse().unwrap());
        assert_eq!((services[0].destinations[0].weight, services[0].destinations[0].active_connections), (5, 3));
        assert_eq!(services[1].destinations[0].address, "[2001:db8::a]:53".parse().unwrap());
        assert_eq!(services[1].destinations[0].forwarding, Forwarding::TUNNEL);
        assert!(services[1].one_packet);
        assert_eq!(services[2].id, OverviewId::Fwmark(7));
        assert!(services[2].destinations.is_empty());
    }

    #[test]
    fn every_method_is_known_and_what_is_none_is_skipped() {
        // `ip_vs_fwd_name` in ip_vs_ctl.c.
        for (name, forwarding) in [
            ("Masq", Forwarding::Masquerade),
            ("Local", Forwarding::LocalNode),
            ("Tunnel", Forwarding::TUNNEL),
            ("Bypass", Forwarding::Other(4)),
            ("Route", Forwarding::DirectRoute),
        ] {
            let line = format!("C0A8010A:1F90      {name:<7} 5      3          1");
            assert_eq!(parse_destination(&line).unwrap().forwarding, forwarding);
            // Its counters end late enough to be whole a character before that.
            for end in 0..line.len() - 1 {
                assert_eq!(parse_destination(&line[..end]), None, "{}", &line[..end]);
            }
        }
        assert_eq!(parse_destination("C0A8010A:1F90 Other 5 3 1"), None);
    }
}
