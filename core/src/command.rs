//! The commands that change the kernel's table, as data: for a batch, and for the rule language.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::service::check_scope;
use crate::{Destination, InvalidArgument, Operation, Role, Service, ServiceId, SyncDaemon, Timeouts};

/// One change to the kernel's table. Each is one command of the kernel's, done wholly or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Command {
    /// Adds a service (`IPVS_CMD_NEW_SERVICE`).
    AddService(Service),
    /// Gives a service other settings, all of them (`IPVS_CMD_SET_SERVICE`).
    EditService(Service),
    /// Deletes a service and its destinations (`IPVS_CMD_DEL_SERVICE`).
    DeleteService(ServiceId),
    /// Adds a destination to a service (`IPVS_CMD_NEW_DEST`).
    AddDestination(ServiceId, Destination),
    /// Gives a destination other settings, all of them (`IPVS_CMD_SET_DEST`).
    EditDestination(ServiceId, Destination),
    /// Deletes a destination of a service (`IPVS_CMD_DEL_DEST`).
    DeleteDestination(ServiceId, SocketAddr),
    /// Zeroes the counters of one service and its destinations, or of all (`IPVS_CMD_ZERO`).
    Zero(Option<ServiceId>),
    /// Deletes all services (`IPVS_CMD_FLUSH`).
    Flush,
    /// Sets how long idle connections are remembered; 0 leaves the time in force (`IPVS_CMD_SET_CONFIG`).
    SetTimeouts(Timeouts),
    /// Starts a synchronisation daemon (`IPVS_CMD_NEW_DAEMON`).
    StartDaemon(SyncDaemon),
    /// Stops a synchronisation daemon (`IPVS_CMD_DEL_DAEMON`).
    StopDaemon(Role),
}

impl Command {
    /// Checks everything that can be known before the kernel is asked.
    pub fn check(&self) -> Result<(), InvalidArgument> {
        match self {
            Self::AddService(service) | Self::EditService(service) => service.check(),
            Self::AddDestination(service, destination) | Self::EditDestination(service, destination) => {
                service.check()?;
                destination.check(service)
            }
            Self::DeleteDestination(service, address) => {
                service.check()?;
                check_scope("destination", address)
            }
            Self::DeleteService(service) | Self::Zero(Some(service)) => service.check(),
            Self::SetTimeouts(timeouts) => timeouts.check(),
            Self::StartDaemon(daemon) => daemon.check(),
            Self::Zero(None) | Self::Flush | Self::StopDaemon(_) => Ok(()),
        }
    }

    /// What it does, for errors.
    #[must_use]
    pub fn operation(&self) -> Operation {
        match self {
            Self::AddService(service) => Operation::AddService(service.id),
            Self::EditService(service) => Operation::EditService(service.id),
            Self::DeleteService(id) => Operation::DeleteService(*id),
            Self::AddDestination(id, destination) => Operation::AddDestination(*id, destination.address),
            Self::EditDestination(id, destination) => Operation::EditDestination(*id, destination.address),
            Self::DeleteDestination(id, address) => Operation::DeleteDestination(*id, *address),
            Self::Zero(service) => Operation::Zero(*service),
            Self::Flush => Operation::Flush,
            Self::SetTimeouts(_) => Operation::SetTimeouts,
            Self::StartDaemon(daemon) => Operation::StartDaemon(daemon.role),
            Self::StopDaemon(role) => Operation::StopDaemon(*role),
        }
    }

    /// The scheduler and the persistence engine that it names. The kernel loads a module for each that it does not have.
    pub fn modules(&self) -> impl Iterator<Item = &String> {
        let service = match self {
            Self::AddService(service) | Self::EditService(service) => Some(service),
            _ => None,
        };
        service.into_iter().flat_map(|service| std::iter::once(&service.scheduler).chain(&service.persistence_engine))
    }

    /// Whether the kernel may take as long for it as for thousands of others: to load a module that is none of those loaded, or
    /// until no packet is with what goes. Whoever runs many commands looks at signals before and after such a one.
    #[must_use]
    pub fn is_slow(&self, loaded: &BTreeSet<String>) -> bool {
        match self {
            Self::AddService(_) => !self.modules().all(|name| loaded.contains(name)),
            // An edited service's scheduler goes when no packet is with it any more.
            Self::EditService(_) | Self::Flush | Self::StartDaemon(_) | Self::StopDaemon(_) => true,
            _ => false,
        }
    }

    /// The service that it is about, or that has the destination, if it is about one.
    pub(crate) fn service(&self) -> Option<ServiceId> {
        match self {
            Self::AddService(service) | Self::EditService(service) => Some(service.id),
            Self::DeleteService(id)
            | Self::AddDestination(id, _)
            | Self::EditDestination(id, _)
            | Self::DeleteDestination(id, _) => Some(*id),
            Self::Zero(id) => *id,
            Self::Flush | Self::SetTimeouts(_) | Self::StartDaemon(_) | Self::StopDaemon(_) => None,
        }
    }

    /// The destination that it is about, if it is about one.
    pub(crate) fn destination(&self) -> Option<SocketAddr> {
        match self {
            Self::AddDestination(_, destination) | Self::EditDestination(_, destination) => Some(destination.address),
            Self::DeleteDestination(_, address) => Some(*address),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_says_what_it_is_about() {
        let id: ServiceId = "fwmark:7".parse().unwrap();
        let address = "10.0.0.1:80".parse().unwrap();
        for (command, service, destination) in [
            (Command::EditService(Service::new(id)), Some(id), None),
            (Command::EditDestination(id, Destination::new(address)), Some(id), Some(address)),
            (Command::DeleteDestination(id, address), Some(id), Some(address)),
            (Command::Zero(Some(id)), Some(id), None),
            (Command::Zero(None), None, None),
            (Command::Flush, None, None),
        ] {
            assert_eq!((command.service(), command.destination()), (service, destination), "{command:?}");
            let has_modules = matches!(command, Command::EditService(_));
            assert_eq!(command.modules().next().is_some(), has_modules, "{command:?}");
        }
    }
}
