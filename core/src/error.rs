//! What went wrong, for which operation and which object.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::io::Errno;
use thiserror::Error as ThisError;

use crate::ServiceId;

/// What was being done, and to which object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Opening the socket and looking up the IPVS family.
    Connect,
    /// Reading version and table size.
    Info,
    /// Listing all services.
    Services,
    /// Reading one service.
    Service(ServiceId),
    /// Adding a service.
    AddService(ServiceId),
    /// Changing the settings of a service.
    EditService(ServiceId),
    /// Deleting a service and its destinations.
    DeleteService(ServiceId),
    /// Listing the destinations of a service.
    Destinations(ServiceId),
    /// Adding a destination to a service.
    AddDestination(ServiceId, SocketAddr),
    /// Changing the settings of a destination.
    EditDestination(ServiceId, SocketAddr),
    /// Deleting a destination of a service.
    DeleteDestination(ServiceId, SocketAddr),
    /// Deleting all services.
    Flush,
}

impl Operation {
    /// The name of the method of [`Client`](crate::Client) that does it, such as `add_service`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Info => "info",
            Self::Services => "services",
            Self::Service(_) => "service",
            Self::AddService(_) => "add_service",
            Self::EditService(_) => "edit_service",
            Self::DeleteService(_) => "delete_service",
            Self::Destinations(_) => "destinations",
            Self::AddDestination(..) => "add_destination",
            Self::EditDestination(..) => "edit_destination",
            Self::DeleteDestination(..) => "delete_destination",
            Self::Flush => "flush",
        }
    }

    /// The object in its text form: a service's id, `destination of service`, or nothing.
    #[must_use]
    pub fn object(&self) -> Option<String> {
        match self {
            Self::Connect | Self::Info | Self::Services | Self::Flush => None,
            Self::Service(id)
            | Self::AddService(id)
            | Self::EditService(id)
            | Self::DeleteService(id)
            | Self::Destinations(id) => Some(id.to_string()),
            Self::AddDestination(id, address)
            | Self::EditDestination(id, address)
            | Self::DeleteDestination(id, address) => Some(format!("{address} of {id}")),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect => f.write_str("connect to IPVS"),
            Self::Info => f.write_str("read the IPVS version"),
            Self::Services => f.write_str("list the services"),
            Self::Service(id) => write!(f, "read service {id}"),
            Self::AddService(id) => write!(f, "add service {id}"),
            Self::EditService(id) => write!(f, "edit service {id}"),
            Self::DeleteService(id) => write!(f, "delete service {id}"),
            Self::Destinations(id) => write!(f, "list the destinations of service {id}"),
            Self::AddDestination(id, address) => write!(f, "add destination {address} to service {id}"),
            Self::EditDestination(id, address) => write!(f, "edit destination {address} of service {id}"),
            Self::DeleteDestination(id, address) => write!(f, "delete destination {address} of service {id}"),
            Self::Flush => f.write_str("delete all services"),
        }
    }
}

/// A setting that cannot be sent: found before anything was.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[error("{field}: {reason}")]
#[non_exhaustive]
pub struct InvalidArgument {
    /// The setting's name, as in the objects of this library.
    pub field: &'static str,
    /// What is wrong with it, and what would be right.
    pub reason: String,
}

impl InvalidArgument {
    /// A refusal of `field` for `reason`.
    pub fn new(field: &'static str, reason: impl Into<String>) -> Self {
        Self { field, reason: reason.into() }
    }
}

/// Why an operation failed. Each text says what to do about it where that is not plain.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The service is there already (`EEXIST`).
    #[error("it exists already; edit it instead, or delete it first")]
    ServiceExists,
    /// There is no such service (`ESRCH`).
    #[error("there is no such service")]
    NoSuchService,
    /// The destination is there already (`EEXIST`).
    #[error("it exists already; edit it instead, or delete it first")]
    DestinationExists,
    /// The service has no such destination (`ENOENT`).
    #[error("the service has no such destination")]
    NoSuchDestination,
    /// The kernel has no such scheduler (`ENOENT`).
    #[error(
        "the kernel has no scheduler '{0}': no module ip_vs_{0} is loaded or can be; /proc/modules shows those loaded"
    )]
    NoSuchScheduler(String),
    /// A setting is out of range or does not go with another; nothing was sent.
    #[error("{0}")]
    InvalidArgument(#[from] InvalidArgument),
    /// The caller may not (`EPERM`).
    #[error("permission denied: CAP_NET_ADMIN in the initial user namespace is needed; run it as root")]
    PermissionDenied,
    /// This kernel has no IPVS family (`ENOENT` from the family look-up).
    #[error("this kernel has no IPVS: load it with 'modprobe ip_vs', or install the package with the kernel's modules")]
    Unavailable,
    /// The kernel did not answer in time; whether it did what was asked is not known.
    #[error("no answer from the kernel within {0:?}; whether it was done is not known")]
    TimedOut(Duration),
    /// Any other refusal by the kernel.
    #[error("{}{}", io::Error::from_raw_os_error(*errno), text.as_ref().map(|text| format!(": {text}")).unwrap_or_default())]
    Kernel {
        /// The error number.
        errno: i32,
        /// What the kernel said besides, by extended acknowledgement.
        text: Option<String>,
    },
    /// The socket failed.
    #[error("netlink socket: {0}")]
    Io(#[source] io::Error),
    /// An answer of the kernel that could not be understood.
    #[error("the kernel's answer is malformed: {0}")]
    Malformed(String),
}

impl ErrorKind {
    /// A short name for programs, such as `service_exists`; it never changes.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::ServiceExists => "service_exists",
            Self::NoSuchService => "no_such_service",
            Self::DestinationExists => "destination_exists",
            Self::NoSuchDestination => "no_such_destination",
            Self::NoSuchScheduler(_) => "no_such_scheduler",
            Self::InvalidArgument(_) => "invalid_argument",
            Self::PermissionDenied => "permission_denied",
            Self::Unavailable => "unavailable",
            Self::TimedOut(_) => "timed_out",
            Self::Kernel { .. } => "kernel",
            Self::Io(_) => "io",
            Self::Malformed(_) => "malformed",
        }
    }
}

/// Operation, object and cause.
#[derive(Debug, ThisError)]
#[error("cannot {operation}: {kind}")]
#[non_exhaustive]
pub struct Error {
    /// What was being done, and to which object.
    pub operation: Operation,
    /// Why it failed.
    pub kind: ErrorKind,
}

impl Error {
    pub(crate) fn new(operation: Operation, kind: impl Into<ErrorKind>) -> Self {
        Self { operation, kind: kind.into() }
    }

    /// The error number as the kernel gave it. What was found on this side of it has `EINVAL` (a setting), `ETIMEDOUT`
    /// or `EBADMSG` (an answer).
    #[must_use]
    pub fn raw_os_error(&self) -> Option<i32> {
        let errno = match &self.kind {
            ErrorKind::ServiceExists | ErrorKind::DestinationExists => Errno::EXIST,
            ErrorKind::NoSuchService => Errno::SRCH,
            ErrorKind::NoSuchDestination | ErrorKind::NoSuchScheduler(_) | ErrorKind::Unavailable => Errno::NOENT,
            ErrorKind::InvalidArgument(_) => Errno::INVAL,
            ErrorKind::PermissionDenied => Errno::PERM,
            ErrorKind::TimedOut(_) => Errno::TIMEDOUT,
            ErrorKind::Kernel { errno, .. } => return Some(*errno),
            ErrorKind::Io(error) => return error.raw_os_error(),
            ErrorKind::Malformed(_) => Errno::BADMSG,
        };
        Some(errno.raw_os_error())
    }
}
