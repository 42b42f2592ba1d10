//! What went wrong, for which operation and which object.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::io::Errno;
use thiserror::Error as ThisError;

use crate::connector::Connector;
use crate::transport::{Failure, Namespace, Refusal};
use crate::{Role, ServiceId};

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
    /// Changing the weight of a destination.
    SetWeight(ServiceId, SocketAddr),
    /// Deleting all services.
    Flush,
    /// Zeroing the counters of one service, or of all.
    Zero(Option<ServiceId>),
    /// Reading how long idle connections are remembered.
    Timeouts,
    /// Setting how long idle connections are remembered.
    SetTimeouts,
    /// Listing the synchronisation daemons.
    Daemons,
    /// Starting a synchronisation daemon.
    StartDaemon(Role),
    /// Stopping a synchronisation daemon.
    StopDaemon(Role),
    /// Listing the connections.
    Connections,
    /// Reading the counters of the whole namespace.
    TotalStats,
    /// Reading what an ordinary user may see of the table.
    Overview,
    /// Making the table what it should be.
    Apply,
    /// Taking the lock of the network namespace.
    Lock,
    /// Looking for other programs that change the table.
    OtherWriters,
    /// Reading all settings.
    Settings,
    /// Reading one setting.
    Setting(&'static str),
    /// Writing one setting.
    SetSetting(&'static str),
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
            Self::SetWeight(..) => "set_weight",
            Self::Flush => "flush",
            Self::Zero(_) => "zero",
            Self::Timeouts => "timeouts",
            Self::SetTimeouts => "set_timeouts",
            Self::Daemons => "daemons",
            Self::StartDaemon(_) => "start_daemon",
            Self::StopDaemon(_) => "stop_daemon",
            Self::Connections => "connections",
            Self::TotalStats => "total_stats",
            Self::Overview => "overview",
            Self::Apply => "apply",
            Self::Lock => "lock",
            Self::OtherWriters => "other_writers",
            Self::Settings => "settings",
            Self::Setting(_) => "setting",
            Self::SetSetting(_) => "set_setting",
        }
    }

    /// The service that it is about.
    #[must_use]
    pub fn service(&self) -> Option<ServiceId> {
        match self {
            Self::Zero(id) => *id,
            Self::Service(id)
            | Self::AddService(id)
            | Self::EditService(id)
            | Self::DeleteService(id)
            | Self::Destinations(id)
            | Self::AddDestination(id, _)
            | Self::EditDestination(id, _)
            | Self::SetWeight(id, _)
            | Self::DeleteDestination(id, _) => Some(*id),
            _ => None,
        }
    }

    /// The object in its text form: a service's id, `destination of service`, or nothing.
    #[must_use]
    pub fn object(&self) -> Option<String> {
        match self {
            Self::AddDestination(id, address)
            | Self::EditDestination(id, address)
            | Self::SetWeight(id, address)
            | Self::DeleteDestination(id, address) => Some(format!("{address} of {id}")),
            Self::StartDaemon(role) | Self::StopDaemon(role) => Some(role.to_string()),
            Self::Setting(name) | Self::SetSetting(name) => Some((*name).to_owned()),
            other => other.service().map(|id| id.to_string()),
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
            Self::SetWeight(id, address) => write!(f, "set the weight of destination {address} of service {id}"),
            Self::Flush => f.write_str("delete all services"),
            Self::Zero(None) => f.write_str("zero all counters"),
            Self::Zero(Some(id)) => write!(f, "zero the counters of service {id}"),
            Self::Timeouts => f.write_str("read the timeouts"),
            Self::SetTimeouts => f.write_str("set the timeouts"),
            Self::Daemons => f.write_str("list the sync daemons"),
            Self::StartDaemon(role) => write!(f, "start the {role} sync daemon"),
            Self::StopDaemon(role) => write!(f, "stop the {role} sync daemon"),
            Self::Connections => f.write_str("list the connections"),
            Self::TotalStats => f.write_str("read the counters of all services together"),
            Self::Overview => f.write_str("read the public part of the table"),
            Self::Apply => f.write_str("apply the table"),
            Self::Lock => f.write_str("take the lock of the network namespace"),
            Self::OtherWriters => f.write_str("look for other programs that change the table"),
            Self::Settings => f.write_str("read the settings"),
            Self::Setting(name) => write!(f, "read the setting {name}"),
            Self::SetSetting(name) => write!(f, "write the setting {name}"),
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
    /// The kernel has no such persistence engine (`ENOENT`).
    #[error("the kernel has no persistence engine '{0}': no module ip_vs_pe_{0} is loaded or can be")]
    NoSuchPersistenceEngine(String),
    /// A synchronisation daemon with this role runs already (`EEXIST`).
    #[error("one with this role runs already; stop it first")]
    DaemonExists,
    /// No synchronisation daemon with this role runs (`ESRCH`).
    #[error("none with this role runs")]
    NoSuchDaemon,
    /// There is no network interface of this name (`ENODEV`).
    #[error("there is no network interface '{0}'; 'ip link' lists those that are there")]
    NoSuchInterface(String),
    /// The kernel has no such setting; older ones have fewer (`ENOENT`).
    #[error("this kernel has no such setting")]
    NoSuchSetting,
    /// The kernel made an IPIP tunnel of a GUE or GRE one (`EOPNOTSUPP`). A destination that was being added was deleted
    /// again; one that was being edited is an IPIP tunnel now.
    #[error("this kernel has only IPIP tunnels; GUE and GRE need Linux 5.3")]
    TunnelIgnored,
    /// A setting is out of range or does not go with another; nothing was sent.
    #[error("{0}")]
    InvalidArgument(#[from] InvalidArgument),
    /// The caller may not (`EPERM`), in this network namespace.
    #[error(
        "permission denied: CAP_NET_ADMIN is needed for the network namespace {0}; run it as root, but not in a container \
         or a user namespace that lacks it"
    )]
    PermissionDenied(String),
    /// This kernel has no IPVS family (`ENOENT` from the family look-up).
    #[error(
        "this kernel has no IPVS: 'modprobe ip_vs' loads it; the module is in the package linux-image-amd64 (Debian), \
         linux-image-generic (Ubuntu) or kernel-modules (Fedora, RHEL), and small kernels for virtual machines may lack it"
    )]
    Unavailable,
    /// The kernel did not answer in time. The text of the [`Error`] says if a change was sent, and so may have been done.
    #[error("no answer from the kernel within {0:?}")]
    TimedOut(Duration),
    /// Other threads' calls took the client for all of its time; by name and number it is as [`TimedOut`](Self::TimedOut).
    #[error("other threads used the client for {0:?}; a client of its own waits for nobody")]
    NoTurn(Duration),
    /// Any other refusal by the kernel.
    #[error("{}{}", plain(&io::Error::from_raw_os_error(*errno)), text.as_ref().map(|text| format!(": {text}")).unwrap_or_default())]
    Kernel {
        /// The error number.
        errno: i32,
        /// What the kernel said besides, by extended acknowledgement.
        text: Option<String>,
    },
    /// The network namespace cannot be entered, for which `CAP_SYS_ADMIN` is needed, or is not there.
    #[error(
        "the network namespace {} cannot be entered: {}; {}",
        name.as_ref().map_or_else(|| "that the client was made in".to_owned(), |name| format!("'{name}'")),
        plain(error),
        remedy(error)
    )]
    Namespace {
        /// Its name or path; nothing for the one that the client was made in.
        name: Option<String>,
        /// What is wrong with it.
        error: io::Error,
    },
    /// The kernel took no such destination (`EINVAL`).
    #[error(
        "the kernel refused it: the address is not unicast, or of another family than the service without a tunnel or \
         while a sync daemon runs, or the interface 'lo' of the network namespace is down"
    )]
    DestinationRefused,
    /// The kernel started no such daemon (`EINVAL`).
    #[error(
        "the kernel refused it: a service has destinations of another address family, which a sync daemon cannot tell of, \
         or the multicast group does not suit the interface"
    )]
    DaemonRefused,
    /// The kernel took no such time (`EINVAL`); none was set.
    #[error(
        "the kernel refused it: a time is longer than it can count, which is 2147483 seconds with 1000 ticks a second \
         (CONFIG_HZ) and 8589934 with 250"
    )]
    TimeoutsRefused,
    /// The setting cannot be written (`EACCES` or `EROFS`).
    #[error(
        "{}: it needs root, or CAP_NET_ADMIN for the network namespace {namespace}; some settings are of the first \
         network namespace only, and in a container /proc/sys may be read-only",
        plain(error)
    )]
    SettingDenied {
        /// The network namespace for people.
        namespace: String,
        /// What the system said.
        error: io::Error,
    },
    /// Another program of this library's looks after pools in the network namespace (`EWOULDBLOCK`).
    #[error("{}", locked(*_0))]
    Locked(Option<i32>),
    /// The socket or a file of the kernel's failed.
    #[error("the kernel cannot be reached: {}", plain(_0))]
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
            Self::NoSuchPersistenceEngine(_) => "no_such_persistence_engine",
            Self::DaemonExists => "daemon_exists",
            Self::NoSuchDaemon => "no_such_daemon",
            Self::NoSuchInterface(_) => "no_such_interface",
            Self::NoSuchSetting => "no_such_setting",
            Self::TunnelIgnored => "tunnel_ignored",
            Self::InvalidArgument(_) => "invalid_argument",
            Self::PermissionDenied(_) => "permission_denied",
            Self::Unavailable => "unavailable",
            Self::TimedOut(_) | Self::NoTurn(_) => "timed_out",
            Self::Kernel { .. } => "kernel",
            Self::Namespace { .. } => "namespace",
            Self::DestinationRefused => "destination_refused",
            Self::DaemonRefused => "daemon_refused",
            Self::TimeoutsRefused => "timeouts_refused",
            Self::SettingDenied { .. } => "setting_denied",
            Self::Locked(_) => "locked",
            Self::Io(_) => "io",
            Self::Malformed(_) => "malformed",
        }
    }
}

/// Operation, object and cause.
#[derive(Debug, ThisError)]
#[error("cannot {operation}: {kind}{}", if *is_in_doubt { "; whether it was done is not known" } else { "" })]
#[non_exhaustive]
pub struct Error {
    /// What was being done, and to which object.
    pub operation: Operation,
    /// Why it failed.
    pub kind: ErrorKind,
    /// It was sent, and how it ended was not heard.
    pub(crate) is_in_doubt: bool,
}

impl Error {
    pub(crate) fn new(operation: Operation, kind: impl Into<ErrorKind>) -> Self {
        Self { operation, kind: kind.into(), is_in_doubt: false }
    }

    /// The error number as the kernel gave it. What was found on this side of it has the number that a kernel would give:
    /// `EINVAL` (an argument), `ENOENT` (no IPVS, no such setting), `EOPNOTSUPP` (a tunnel), `EWOULDBLOCK` (the lock),
    /// `ETIMEDOUT` or `EBADMSG` (an answer); none where `/proc` is not there or a thread panicked.
    #[must_use]
    pub fn raw_os_error(&self) -> Option<i32> {
        let errno = match &self.kind {
            ErrorKind::ServiceExists | ErrorKind::DestinationExists | ErrorKind::DaemonExists => Errno::EXIST,
            ErrorKind::NoSuchService | ErrorKind::NoSuchDaemon => Errno::SRCH,
            ErrorKind::NoSuchDestination
            | ErrorKind::NoSuchScheduler(_)
            | ErrorKind::NoSuchPersistenceEngine(_)
            | ErrorKind::NoSuchSetting
            | ErrorKind::Unavailable => Errno::NOENT,
            ErrorKind::NoSuchInterface(_) => Errno::NODEV,
            ErrorKind::TunnelIgnored => Errno::OPNOTSUPP,
            ErrorKind::InvalidArgument(_)
            | ErrorKind::DestinationRefused
            | ErrorKind::DaemonRefused
            | ErrorKind::TimeoutsRefused => Errno::INVAL,
            ErrorKind::PermissionDenied(_) => Errno::PERM,
            ErrorKind::TimedOut(_) | ErrorKind::NoTurn(_) => Errno::TIMEDOUT,
            ErrorKind::Kernel { errno, .. } => return Some(*errno),
            ErrorKind::Io(error) | ErrorKind::Namespace { error, .. } | ErrorKind::SettingDenied { error, .. } => {
                return error.raw_os_error();
            }
            ErrorKind::Locked(_) => Errno::WOULDBLOCK,
            ErrorKind::Malformed(_) => Errno::BADMSG,
        };
        Some(errno.raw_os_error())
    }
}

/// Who has the lock, and what to do.
fn locked(process: Option<i32>) -> String {
    const HAS_IT: &str = "looks after the pools of this network namespace already";
    match process {
        None => format!("another process {HAS_IT}; stop it first"),
        Some(process) if process.cast_unsigned() == std::process::id() => format!("this process {HAS_IT}"),
        Some(process) => format!("process {process} {HAS_IT}; stop it first"),
    }
}

/// The system's text without the number behind it, which programs get from `raw_os_error`.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error ").next().unwrap_or(&text).to_owned()
}

/// What helps whoever cannot enter a network namespace.
fn remedy(error: &io::Error) -> &'static str {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::PERM) => "CAP_SYS_ADMIN is needed for that, besides CAP_NET_ADMIN",
        Some(Errno::AGAIN | Errno::NOMEM) => "it takes a thread, and there is no room for another one",
        Some(Errno::ACCESS) => "its file may not be opened by this user; run it as root",
        _ => "'ip netns' lists those with a name",
    }
}

/// What a failure means.
pub(crate) fn failed(operation: Operation, failure: Failure, connector: &Connector) -> Error {
    let kind = match failure {
        Failure::NoFamily => ErrorKind::Unavailable,
        Failure::TimedOut => ErrorKind::TimedOut(connector.timeout.unwrap_or_default()),
        Failure::NoTurn => ErrorKind::NoTurn(connector.timeout.unwrap_or_default()),
        Failure::Namespace(error) => {
            let name = connector.namespace.as_ref().and_then(Namespace::name).map(str::to_owned);
            ErrorKind::Namespace { name, error }
        }
        Failure::Io(error) => ErrorKind::Io(error),
        Failure::Malformed(error) => ErrorKind::Malformed(error.to_string()),
        Failure::Refused(refusal) => return refused(operation, refusal, connector),
    };
    Error::new(operation, kind)
}

/// What a refusal means for this operation (`ip_vs_genl_set_cmd` and what it calls, in `ip_vs_ctl.c`).
pub(crate) fn refused(operation: Operation, refusal: Refusal, connector: &Connector) -> Error {
    use Operation as Op;
    let Refusal { errno, text } = refusal;
    let kind = match (Errno::from_raw_os_error(errno), operation) {
        (Errno::PERM, _) => ErrorKind::PermissionDenied(connector.namespace_name()),
        (Errno::EXIST, Op::AddService(_)) => ErrorKind::ServiceExists,
        (Errno::EXIST, Op::AddDestination(..)) => ErrorKind::DestinationExists,
        (Errno::EXIST, Op::StartDaemon(_)) => ErrorKind::DaemonExists,
        (Errno::SRCH, Op::StopDaemon(_)) => ErrorKind::NoSuchDaemon,
        // Which one: only the client can tell.
        (Errno::NODEV, Op::StartDaemon(_)) => ErrorKind::NoSuchInterface(String::new()),
        (Errno::NETUNREACH, Op::StartDaemon(_)) => {
            let text = "the interface is down, or no route leads from it to the multicast group".to_owned();
            ErrorKind::Kernel { errno, text: Some(text) }
        }
        (
            Errno::SRCH,
            Op::Service(_)
            | Op::EditService(_)
            | Op::DeleteService(_)
            | Op::Zero(Some(_))
            | Op::Destinations(_)
            | Op::AddDestination(..)
            | Op::EditDestination(..)
            | Op::DeleteDestination(..),
        ) => ErrorKind::NoSuchService,
        (Errno::NOENT, Op::EditDestination(..) | Op::DeleteDestination(..)) => ErrorKind::NoSuchDestination,
        (Errno::INVAL, Op::AddDestination(..) | Op::EditDestination(..)) => ErrorKind::DestinationRefused,
        (Errno::INVAL, Op::StartDaemon(_)) => ErrorKind::DaemonRefused,
        (Errno::INVAL, Op::SetTimeouts) => ErrorKind::TimeoutsRefused,
        // Or the persistence engine: only the client can tell.
        (Errno::NOENT, Op::AddService(_) | Op::EditService(_)) => ErrorKind::NoSuchScheduler(String::new()),
        _ => ErrorKind::Kernel { errno, text },
    };
    Error::new(operation, kind)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// For the page of messages (`make messages`), where some kinds are met by no test that has a kernel.
    fn note(name: &str, error: &Error) {
        if let Some(path) = std::env::var_os("IPVS_MESSAGES") {
            let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
            writeln!(file, "core\t{name}\t{name}: {error}").unwrap();
        }
    }

    #[test]
    fn the_names_and_numbers_of_kinds_never_change() {
        let error = || io::Error::from_raw_os_error(24);
        let kinds = [
            (ErrorKind::ServiceExists, "service_exists", 17),
            (ErrorKind::NoSuchService, "no_such_service", 3),
            (ErrorKind::DestinationExists, "destination_exists", 17),
            (ErrorKind::NoSuchDestination, "no_such_destination", 2),
            (ErrorKind::NoSuchScheduler("rr".into()), "no_such_scheduler", 2),
            (ErrorKind::NoSuchPersistenceEngine("sip".into()), "no_such_persistence_engine", 2),
            (ErrorKind::DaemonExists, "daemon_exists", 17),
            (ErrorKind::NoSuchDaemon, "no_such_daemon", 3),
            (ErrorKind::NoSuchInterface("eth9".into()), "no_such_interface", 19),
            (ErrorKind::NoSuchSetting, "no_such_setting", 2),
            (ErrorKind::TunnelIgnored, "tunnel_ignored", 95),
            (InvalidArgument::new("weight", "too large").into(), "invalid_argument", 22),
            (ErrorKind::PermissionDenied("a".into()), "permission_denied", 1),
            (ErrorKind::Unavailable, "unavailable", 2),
            (ErrorKind::TimedOut(Duration::ZERO), "timed_out", 110),
            (ErrorKind::NoTurn(Duration::ZERO), "timed_out", 110),
            (ErrorKind::Kernel { errno: 5, text: None }, "kernel", 5),
            (ErrorKind::Namespace { name: None, error: error() }, "namespace", 24),
            (ErrorKind::DestinationRefused, "destination_refused", 22),
            (ErrorKind::DaemonRefused, "daemon_refused", 22),
            (ErrorKind::TimeoutsRefused, "timeouts_refused", 22),
            (ErrorKind::SettingDenied { namespace: "a".into(), error: error() }, "setting_denied", 24),
            (ErrorKind::Locked(None), "locked", 11),
            (ErrorKind::Io(error()), "io", 24),
            (ErrorKind::Malformed("short".into()), "malformed", 74),
        ];
        for (kind, name, number) in kinds {
            assert_eq!(kind.name(), name);
            let error = Error::new(Operation::Info, kind);
            assert_eq!(error.raw_os_error(), Some(number), "{name}");
            note(name, &error);
        }
    }

    #[test]
    fn operations_have_the_names_of_their_methods_and_words_for_people() {
        let id: ServiceId = "fwmark:7".parse().unwrap();
        let address = "10.0.0.1:80".parse().unwrap();
        let operations = [
            (Operation::Connect, "connect", "connect to IPVS"),
            (Operation::Info, "info", "read the IPVS version"),
            (Operation::Services, "services", "list the services"),
            (Operation::Destinations(id), "destinations", "list the destinations of service fwmark:7"),
            (
                Operation::SetWeight(id, address),
                "set_weight",
                "set the weight of destination 10.0.0.1:80 of service fwmark:7",
            ),
            (Operation::Timeouts, "timeouts", "read the timeouts"),
            (Operation::Daemons, "daemons", "list the sync daemons"),
            (Operation::Connections, "connections", "list the connections"),
            (Operation::TotalStats, "total_stats", "read the counters of all services together"),
            (Operation::Overview, "overview", "read the public part of the table"),
            (Operation::Lock, "lock", "take the lock of the network namespace"),
            (Operation::OtherWriters, "other_writers", "look for other programs that change the table"),
            (Operation::Settings, "settings", "read the settings"),
        ];
        for (operation, name, words) in operations {
            assert_eq!((operation.name(), operation.to_string().as_str()), (name, words));
        }
        assert_eq!(Operation::EditDestination(id, address).service(), Some(id));
        assert_eq!(Operation::SetWeight(id, address).service(), Some(id));
        assert_eq!(Operation::DeleteDestination(id, address).service(), Some(id));
    }
}
