//! The shape of a table: how many services and destinations, and their addresses.

use std::net::Ipv4Addr;

use ipvs_core::rules::RuleDisplay;
use ipvs_core::{Client, Command, Destination, Forwarding, Service, ServiceId};

use crate::Result;

pub const SERVICE_PORT: u16 = 80;
pub const DESTINATION_PORT: u16 = 8080;
pub const SCHEDULER: &str = "wlc";

/// TCP services with destinations by masquerading, of weight 1. No address is there twice.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub services: u32,
    /// Of each service.
    pub destinations: u32,
}

impl Shape {
    /// All destinations.
    pub fn total(self) -> u32 {
        self.services * self.destinations
    }

    /// All commands that make the table.
    pub fn commands(self) -> u32 {
        self.services + self.total()
    }

    /// Each service's address, and those of its destinations.
    pub fn addresses(self) -> impl Iterator<Item = (Ipv4Addr, impl Iterator<Item = Ipv4Addr>)> {
        (0..self.services).map(move |service| {
            let first = service * self.destinations;
            (address([10, 0, 0, 1], service), (first..first + self.destinations).map(|n| address([172, 16, 0, 1], n)))
        })
    }

    /// What makes the table, for the client.
    pub fn to_commands(self) -> Vec<Command> {
        let mut commands = Vec::new();
        for (service, destinations) in self.addresses() {
            let service = Service::new(service_id(service)).with_scheduler(SCHEDULER);
            let id = service.id;
            commands.push(Command::AddService(service));
            commands.extend(destinations.map(|address| {
                let destination = Destination::new((address, DESTINATION_PORT).into());
                Command::AddDestination(id, destination.with_forwarding(Forwarding::Masquerade))
            }));
        }
        commands
    }

    /// What makes the table, as `ipvsadm -Sn` writes it.
    pub fn to_rules(self) -> String {
        let lines = self.to_commands().into_iter().map(|command| format!("{}\n", RuleDisplay(&command)));
        lines.collect()
    }

    /// Makes the table.
    pub fn fill(self, client: &Client) -> Result<()> {
        add_all(client, &self.to_commands())
    }

    /// Fails unless the namespace's table has this shape. The kernel's text listing says so, which neither the client
    /// nor the floor reads.
    pub fn verify(self) -> Result<()> {
        let listing = std::fs::read_to_string("/proc/thread-self/net/ip_vs")?;
        let count = |start: &str| listing.lines().filter(|line| line.starts_with(start)).count();
        // One line of the title looks like a destination.
        self.compare("the kernel's listing", count("TCP "), count("  -> ") - 1)
    }

    /// Fails unless what was counted is this shape.
    pub fn compare(self, what: &str, services: usize, destinations: usize) -> Result<()> {
        if (services, destinations) == (self.services as usize, self.total() as usize) {
            return Ok(());
        }
        Err(format!("{what} has {services} services and {destinations} destinations, not {self:?}").into())
    }
}

/// Runs commands in one batch; fails if one fails.
pub fn add_all(client: &Client, commands: &[Command]) -> Result<()> {
    let report = client.batch(commands)?;
    if let Some(error) = report.interrupted {
        return Err(error.into());
    }
    match report.failed.into_iter().next() {
        Some((_, error)) => Err(error.into()),
        None => Ok(()),
    }
}

fn address(start: [u8; 4], offset: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from_be_bytes(start) + offset)
}

fn service_id(address: Ipv4Addr) -> ServiceId {
    ServiceId::Address { protocol: ipvs_core::Protocol::Tcp, address: (address, SERVICE_PORT).into() }
}
