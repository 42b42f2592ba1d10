//! The client: the whole public API, one method a kernel command.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use netlink_packet_core::DecodeError;
use netlink_packet_generic::{GenlFamily, GenlMessage};
use rustix::io::Errno;

use crate::transport::{Failure, Mode, Transport};
use crate::wire::{Request, parse_destination, parse_info, parse_service};
use crate::{
    Destination, DestinationEntry, Error, ErrorKind, Info, InvalidArgument, Operation, Service, ServiceEntry, ServiceId,
};

/// How long an operation waits for the kernel's answer unless told otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection to the kernel's IPVS in the network namespace of the thread that opened it.
///
/// Every exchange with the kernel ends within the timeout; what the kernel does within one system call cannot be cut
/// short. After a failed exchange the next operation opens a fresh socket, in the namespace of the thread that calls then.
/// Threads may share a client; they take turns.
#[derive(Debug)]
pub struct Client {
    timeout: Option<Duration>,
    connection: Mutex<Option<Connection>>,
}

#[derive(Debug)]
struct Connection {
    transport: Transport,
    /// The number of the family `IPVS`, which changes when the module is loaded again.
    family_id: u16,
}

impl Client {
    /// Connects with the default timeout. The kernel loads its IPVS module if need be (since Linux 5.16).
    pub fn connect() -> Result<Self, Error> {
        Self::connect_with_timeout(Some(DEFAULT_TIMEOUT))
    }

    /// Connects with another timeout for every operation; nothing or zero means to wait for ever.
    pub fn connect_with_timeout(timeout: Option<Duration>) -> Result<Self, Error> {
        let timeout = timeout.filter(|timeout| !timeout.is_zero());
        let connection =
            Connection::open(deadline(timeout)).map_err(|failure| failed(Operation::Connect, timeout, failure))?;
        Ok(Self { timeout, connection: Mutex::new(Some(connection)) })
    }

    /// Version and table size (`IPVS_CMD_GET_INFO`).
    pub fn info(&self) -> Result<Info, Error> {
        self.one(Operation::Info, Request::get_info(), parse_info)
    }

    /// All services (`IPVS_CMD_GET_SERVICE` as a dump), in the kernel's order.
    pub fn services(&self) -> Result<Vec<ServiceEntry>, Error> {
        self.many(Operation::Services, Request::get_services(), parse_service)
    }

    /// One service (`IPVS_CMD_GET_SERVICE`).
    pub fn service(&self, id: &ServiceId) -> Result<ServiceEntry, Error> {
        self.one(Operation::Service(*id), Request::get_service(id), parse_service)
    }

    /// Adds a service (`IPVS_CMD_NEW_SERVICE`).
    pub fn add_service(&self, service: &Service) -> Result<(), Error> {
        let operation = Operation::AddService(service.id);
        checked(operation, service.check())?;
        self.none(operation, Request::new_service(service)).map_err(|error| missing_scheduler(error, service))
    }

    /// Gives a service other settings (`IPVS_CMD_SET_SERVICE`). Its destinations and connections stay.
    pub fn edit_service(&self, service: &Service) -> Result<(), Error> {
        let operation = Operation::EditService(service.id);
        checked(operation, service.check())?;
        self.none(operation, Request::set_service(service)).map_err(|error| missing_scheduler(error, service))
    }

    /// Deletes a service and its destinations (`IPVS_CMD_DEL_SERVICE`).
    pub fn delete_service(&self, id: &ServiceId) -> Result<(), Error> {
        self.none(Operation::DeleteService(*id), Request::del_service(id))
    }

    /// The destinations of a service (`IPVS_CMD_GET_DEST`), in the kernel's order.
    pub fn destinations(&self, id: &ServiceId) -> Result<Vec<DestinationEntry>, Error> {
        let operation = Operation::Destinations(*id);
        let family = id.family();
        let entries =
            self.many(operation, Request::get_destinations(id), |message| parse_destination(message, family))?;
        if entries.is_empty() {
            // The kernel's list for a service that is not there is empty too.
            self.one(operation, Request::get_service(id), parse_service)?;
        }
        Ok(entries)
    }

    /// Adds a destination to a service (`IPVS_CMD_NEW_DEST`).
    pub fn add_destination(&self, id: &ServiceId, destination: &Destination) -> Result<(), Error> {
        let operation = Operation::AddDestination(*id, destination.address);
        checked(operation, destination.check())?;
        self.none(operation, Request::new_destination(id, destination))
    }

    /// Gives a destination other settings (`IPVS_CMD_SET_DEST`). Its connections stay.
    pub fn edit_destination(&self, id: &ServiceId, destination: &Destination) -> Result<(), Error> {
        let operation = Operation::EditDestination(*id, destination.address);
        checked(operation, destination.check())?;
        self.none(operation, Request::set_destination(id, destination))
    }

    /// Deletes a destination of a service (`IPVS_CMD_DEL_DEST`).
    pub fn delete_destination(&self, id: &ServiceId, address: &SocketAddr) -> Result<(), Error> {
        self.none(Operation::DeleteDestination(*id, *address), Request::del_destination(id, address))
    }

    /// Deletes all services (`IPVS_CMD_FLUSH`).
    pub fn flush(&self) -> Result<(), Error> {
        self.none(Operation::Flush, Request::flush())
    }

    /// A command that is only acknowledged.
    fn none(&self, operation: Operation, request: Request) -> Result<(), Error> {
        self.run(operation, request, Mode::Acknowledge, |_| Ok(()))
    }

    /// A command with one reply.
    fn one<T>(
        &self,
        operation: Operation,
        request: Request,
        parse: impl Fn(&[u8]) -> Result<T, DecodeError>,
    ) -> Result<T, Error> {
        let mut answer = None;
        self.run(operation, request, Mode::Acknowledge, |message| {
            answer = Some(parse(message)?);
            Ok(())
        })?;
        answer.ok_or_else(|| Error::new(operation, ErrorKind::Malformed("an acknowledgement without a reply".into())))
    }

    /// A command with a list of replies.
    fn many<T>(
        &self,
        operation: Operation,
        request: Request,
        parse: impl Fn(&[u8]) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, Error> {
        let mut answers = Vec::new();
        self.run(operation, request, Mode::Dump, |message| {
            answers.push(parse(message)?);
            Ok(())
        })?;
        Ok(answers)
    }

    fn run(
        &self,
        operation: Operation,
        request: Request,
        mode: Mode,
        reply: impl FnMut(&[u8]) -> Result<(), DecodeError>,
    ) -> Result<(), Error> {
        let deadline = deadline(self.timeout);
        // A panic in an exchange leaves no connection behind, so a poisoned lock guards nothing broken.
        let mut slot = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let exchange = || {
            let mut connection = slot.take().map_or_else(|| Connection::open(deadline), Ok)?;
            let result = connection.exchange(request, mode, deadline, reply);
            if let Ok(()) | Err(Failure::Refused { .. }) = result {
                *slot = Some(connection);
            }
            result
        };
        exchange().map_err(|failure| failed(operation, self.timeout, failure))
    }
}

impl Connection {
    fn open(deadline: Option<Instant>) -> Result<Self, Failure> {
        let mut transport = Transport::open()?;
        let family_id = transport.family_id(Request::family_name(), deadline)?;
        Ok(Self { transport, family_id })
    }

    fn exchange(
        &mut self,
        request: Request,
        mode: Mode,
        deadline: Option<Instant>,
        reply: impl FnMut(&[u8]) -> Result<(), DecodeError>,
    ) -> Result<(), Failure> {
        let mut message = GenlMessage::from_payload(request);
        message.set_resolved_family_id(self.family_id);
        self.transport.exchange(message, mode, deadline, reply)
    }
}

fn deadline(timeout: Option<Duration>) -> Option<Instant> {
    timeout.and_then(|timeout| Instant::now().checked_add(timeout))
}

fn checked(operation: Operation, check: Result<(), InvalidArgument>) -> Result<(), Error> {
    check.map_err(|argument| Error::new(operation, argument))
}

/// What a failure means for this operation (`ip_vs_genl_set_cmd` and what it calls, in `ip_vs_ctl.c`).
fn failed(operation: Operation, timeout: Option<Duration>, failure: Failure) -> Error {
    use Operation as Op;
    let kind = match failure {
        Failure::NoFamily => ErrorKind::Unavailable,
        Failure::TimedOut => ErrorKind::TimedOut(timeout.unwrap_or_default()),
        Failure::Io(error) => ErrorKind::Io(error),
        Failure::Malformed(error) => ErrorKind::Malformed(error.to_string()),
        Failure::Refused { errno, text } => match (Errno::from_raw_os_error(errno), operation) {
            (Errno::PERM, _) => ErrorKind::PermissionDenied,
            (Errno::EXIST, Op::AddService(_)) => ErrorKind::ServiceExists,
            (Errno::EXIST, Op::AddDestination(..)) => ErrorKind::DestinationExists,
            (
                Errno::SRCH,
                Op::Service(_)
                | Op::EditService(_)
                | Op::DeleteService(_)
                | Op::Destinations(_)
                | Op::AddDestination(..)
                | Op::EditDestination(..)
                | Op::DeleteDestination(..),
            ) => ErrorKind::NoSuchService,
            (Errno::NOENT, Op::EditDestination(..) | Op::DeleteDestination(..)) => ErrorKind::NoSuchDestination,
            _ => ErrorKind::Kernel { errno, text },
        },
    };
    Error::new(operation, kind)
}

/// `ENOENT` for a service's settings means its scheduler.
fn missing_scheduler(mut error: Error, service: &Service) -> Error {
    if let ErrorKind::Kernel { .. } = error.kind
        && error.raw_os_error() == Some(Errno::NOENT.raw_os_error())
    {
        error.kind = ErrorKind::NoSuchScheduler(service.scheduler.clone());
    }
    error
}
