//! The client: the whole public API on one page. How an operation reaches the kernel is in `connector.rs`.

use std::borrow::Borrow;
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use netlink_packet_core::DecodeError;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, netdevice};

use crate::apply;
use crate::connector::Connector;
use crate::destination::check_weight;
use crate::error::{failed, refused};
use crate::lock::{Held, NamespaceLock, OtherWriter, other_writers};
use crate::proc::{Connections, parse_overview, parse_total_stats};
use crate::transport::{Failure, Mode, Namespace, Refusal};
use crate::wire::{
    Request, names_tunnel_type, parse_daemon, parse_destination, parse_info, parse_service, parse_timeouts,
};
use crate::{
    Applied, ApplyOptions, Command, Destination, DestinationEntry, Drain, DrainOptions, Error, ErrorKind, Forwarding,
    Info, InvalidArgument, Operation, OverviewService, Plan, Pool, PoolChanges, Report, Role, SETTINGS, Scope,
    ScopePart, Service, ServiceEntry, ServiceId, Setting, SettingValue, Stats, SyncDaemon, Table, Timeouts, Tunnel,
    Watch,
};

/// Where the calling thread's namespace shows; `/proc/net` is the main thread's.
const PROC_NET: &str = "/proc/thread-self/net";
const PROC_SYS: &str = "/proc/sys/net/ipv4/vs";

/// How often a list is read: once, or once more if others may have changed the table within it. What they push aside is missing then,
/// and what is not seen is not deleted.
const ONE_LOOK: usize = 1;
const ANOTHER_IF_CUT: usize = 2;

/// How often a destination is looked for before it is not there: of a service that others change all the time, a listing in a
/// hundred misses it.
const LOOKS_FOR_ONE: usize = 3;

/// How long an operation waits for the kernel's answer unless told otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// How to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// How long an exchange with the kernel may wait, for other threads' exchanges and for answers; nothing or zero is for
    /// ever. What the kernel does within one system call, such as loading a scheduler's module, is no waiting and cannot
    /// be cut short.
    pub timeout: Option<Duration>,
    /// The network namespace, by its name in `/run/netns` or, with a slash in it, by its path; nothing is the calling
    /// thread's. Entering another one needs `CAP_SYS_ADMIN`.
    pub netns: Option<String>,
    /// Whether `/sbin/modprobe ip_vs` may be run where the kernel does not load the module itself (before Linux 5.16).
    pub load_module: bool,
    /// Whether the first operation opens the socket, and not the connecting: for programs that fork, or get or give up
    /// privileges, in between. The network namespace is that of the connecting all the same.
    pub lazy: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { timeout: Some(DEFAULT_TIMEOUT), netns: None, load_module: true, lazy: false }
    }
}

impl Options {
    /// The same options with another timeout.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout;
        self
    }

    /// The same options with a network namespace.
    #[must_use]
    pub fn with_netns(mut self, netns: impl Into<String>) -> Self {
        self.netns = Some(netns.into());
        self
    }

    /// The same options with or without loading the module.
    #[must_use]
    pub fn with_load_module(mut self, load_module: bool) -> Self {
        self.load_module = load_module;
        self
    }

    /// The same options with the socket opened by the first operation, or by the connecting.
    #[must_use]
    pub fn with_lazy(mut self, lazy: bool) -> Self {
        self.lazy = lazy;
        self
    }
}

/// Whether an object was made or only changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ensured {
    /// It was not there.
    Created,
    /// It was there and has the settings now.
    Updated,
}

/// A service with all its destinations.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceTable {
    /// The service and its counters.
    pub entry: ServiceEntry,
    /// Its destinations and their counters.
    pub destinations: Vec<DestinationEntry>,
}

impl ServiceTable {
    /// A service with these destinations.
    #[must_use]
    pub fn new(entry: ServiceEntry, destinations: Vec<DestinationEntry>) -> Self {
        Self { entry, destinations }
    }
}

/// A connection to the kernel's IPVS in one network namespace.
///
/// Besides the errors that a method names, every one has `InvalidArgument`, `PermissionDenied`, `Unavailable`,
/// `TimedOut`, `NoTurn`, `Namespace`, `Kernel`, `Io` and `Malformed` of [`ErrorKind`].
///
/// Threads may share a client; they take turns. After a timeout, a fork or a reload of the module the next operation
/// opens a fresh socket by itself.
#[derive(Debug)]
pub struct Client {
    connector: Connector,
    /// A tunnel was read back as it was set: this kernel knows the attributes.
    knows_tunnels: AtomicBool,
}

impl Client {
    /// Connects with the default options: 5 s, the calling thread's network namespace.
    pub fn connect() -> Result<Self, Error> {
        Self::connect_with(&Options::default())
    }

    /// Connects.
    pub fn connect_with(options: &Options) -> Result<Self, Error> {
        if options.netns.as_ref().is_some_and(|name| name.contains('\0')) {
            return Err(Error::new(
                Operation::Connect,
                InvalidArgument::new("netns", "it has a NUL, which no path has"),
            ));
        }
        let namespace = match &options.netns {
            Some(name) => Some(Namespace::open(name).map_err(|error| {
                Error::new(Operation::Connect, ErrorKind::Namespace { name: Some(name.clone()), error })
            })?),
            None => Namespace::current().map_err(|error| Error::new(Operation::Connect, ErrorKind::Io(error)))?,
        };
        let connector = Connector::new(options.timeout, options.load_module, namespace);
        let client = Self { connector, knows_tunnels: AtomicBool::new(false) };
        if options.lazy {
            return Ok(client);
        }
        let connected = match options.netns {
            Some(_) => client.connector.connect(),
            None => client.connector.connect_here(),
        };
        connected.map_err(|failure| client.failed(Operation::Connect, failure))?;
        Ok(client)
    }

    // What the kernel has.

    /// Version and table size (`IPVS_CMD_GET_INFO`).
    pub fn info(&self) -> Result<Info, Error> {
        self.one(Operation::Info, Request::GetInfo, parse_info)
    }

    /// All services (`IPVS_CMD_GET_SERVICE` as a dump), in the kernel's order.
    ///
    /// The kernel lets others change the table between two parts of a dump: a service may then be missing, also when what
    /// comes or goes is in another network namespace, as the kernel counts those too where it goes on. What it shows twice
    /// is here once.
    pub fn services(&self) -> Result<Vec<ServiceEntry>, Error> {
        self.many(Operation::Services, Request::GetServices, parse_service, |entry| entry.service.id, ONE_LOOK)
    }

    /// All services without their counters, in the kernel's order: half the memory of [`services`](Self::services).
    pub fn service_settings(&self) -> Result<Vec<Service>, Error> {
        self.settings_of_services(ONE_LOOK)
    }

    /// One service (`IPVS_CMD_GET_SERVICE`). Error of its own: `NoSuchService`.
    pub fn service(&self, id: &ServiceId) -> Result<ServiceEntry, Error> {
        let operation = Operation::Service(*id);
        id.check_to_read().map_err(|argument| Error::new(operation, argument))?;
        self.one(operation, Request::GetService(id), parse_service)
    }

    /// The destinations of a service (`IPVS_CMD_GET_DEST`), in the kernel's order. Error of its own: `NoSuchService`.
    ///
    /// As in [`services`](Self::services), one may be missing while others add and delete destinations of this service.
    pub fn destinations(&self, id: &ServiceId) -> Result<Vec<DestinationEntry>, Error> {
        let operation = Operation::Destinations(*id);
        id.check_to_read().map_err(|argument| Error::new(operation, argument))?;
        let entries = self.destinations_or_none(operation, id)?;
        if entries.is_empty() {
            // The kernel's list for a service that is not there is empty too.
            self.one(operation, Request::GetService(id), parse_service)?;
        }
        Ok(entries)
    }

    /// The whole table: all services, each with its destinations. One exchange for the services and one for each.
    ///
    /// A table that others change meanwhile is not seen as it was at one moment: every entry was there at some moment,
    /// none is there twice, and a service that goes away before its turn has no destinations.
    pub fn snapshot(&self) -> Result<Vec<ServiceTable>, Error> {
        self.services()?.into_iter().map(|entry| self.table(entry)).collect()
    }

    /// A service that was listed, with its destinations; none if it has gone away. One exchange, for a table that is too
    /// large to be in memory at once.
    pub fn table(&self, entry: ServiceEntry) -> Result<ServiceTable, Error> {
        let id = entry.service.id;
        let destinations = self.destinations_or_none(Operation::Destinations(id), &id)?;
        Ok(ServiceTable::new(entry, destinations))
    }

    /// How long idle connections are remembered (`IPVS_CMD_GET_CONFIG`).
    pub fn timeouts(&self) -> Result<Timeouts, Error> {
        self.one(Operation::Timeouts, Request::GetTimeouts, parse_timeouts)
    }

    /// The synchronisation daemons that run (`IPVS_CMD_GET_DAEMON`): none, one or both.
    pub fn daemons(&self) -> Result<Vec<SyncDaemon>, Error> {
        self.many(Operation::Daemons, Request::GetDaemons, parse_daemon, |daemon| daemon.role, ONE_LOOK)
    }

    /// All connections (`/proc/net/ip_vs_conn`), read as they are asked for, so that millions take no memory. An entry
    /// that comes or goes meanwhile may be there or not.
    pub fn connections(&self) -> Result<Connections, Error> {
        let file = self.open_proc(Operation::Connections, "ip_vs_conn")?;
        Ok(Connections::new(file))
    }

    /// The counters of all services of the namespace together, those deleted included (`/proc/net/ip_vs_stats`).
    pub fn total_stats(&self) -> Result<Stats, Error> {
        let operation = Operation::TotalStats;
        let text = io::read_to_string(self.open_proc(operation, "ip_vs_stats")?);
        let text = text.map_err(|error| Error::new(operation, ErrorKind::Io(error)))?;
        parse_total_stats(&text)
            .ok_or_else(|| Error::new(operation, ErrorKind::Malformed("/proc/net/ip_vs_stats has another form".into())))
    }

    /// What an ordinary user may see of the table (`/proc/net/ip_vs`) in the calling thread's network namespace: less
    /// than [`snapshot`](Self::snapshot), and no client is needed for it. The kernel lets others change the table between two
    /// pages of the file: a service may then be missing, or there twice.
    pub fn overview() -> Result<Vec<OverviewService>, Error> {
        let text = fs::read_to_string(Path::new(PROC_NET).join("ip_vs"));
        text.map(|text| parse_overview(&text))
            .map_err(|error| Error::new(Operation::Overview, proc_error(error, "that it runs in")))
    }

    /// The settings that this kernel has, each with its value (`/proc/sys/net/ipv4/vs`).
    pub fn settings(&self) -> Result<Vec<(&'static Setting, SettingValue)>, Error> {
        let read = || Ok(SETTINGS.iter().map(read_setting).collect::<Vec<_>>());
        let texts =
            self.connector.in_namespace(read).map_err(|failure| self.proc_failed(Operation::Settings, failure))?;
        let mut values = Vec::new();
        for (setting, text) in SETTINGS.iter().zip(texts) {
            match self.setting_value(setting, text.map_err(Failure::Io)) {
                Ok(value) => values.push((setting, value)),
                Err(Error { kind: ErrorKind::NoSuchSetting, .. }) => {}
                Err(error) => return Err(Error { operation: Operation::Settings, ..error }),
            }
        }
        if values.is_empty() {
            return Err(Error::new(Operation::Settings, ErrorKind::Unavailable));
        }
        Ok(values)
    }

    /// One setting. Error of its own: `NoSuchSetting`, which also says that no IPVS is there.
    pub fn setting(&self, name: &str) -> Result<SettingValue, Error> {
        let setting = Setting::named(name).map_err(|argument| Error::new(Operation::Settings, argument))?;
        self.setting_value(setting, self.connector.in_namespace(|| read_setting(setting)))
    }

    fn setting_value(&self, setting: &'static Setting, text: Result<String, Failure>) -> Result<SettingValue, Error> {
        let operation = Operation::Setting(setting.name);
        let text = text.map_err(|failure| self.proc_failed(operation, failure))?;
        setting.parse(&text).ok_or_else(|| Error::new(operation, ErrorKind::Malformed(format!("'{}'", text.trim()))))
    }

    // The kernel's commands.

    /// Writes one setting. It is of the whole namespace and lasts until it is written again or the namespace ends. Errors
    /// of its own: `NoSuchSetting`, `SettingDenied`.
    pub fn set_setting(&self, name: &str, value: &SettingValue) -> Result<(), Error> {
        let setting = Setting::named(name).map_err(|argument| Error::new(Operation::Settings, argument))?;
        let operation = Operation::SetSetting(setting.name);
        setting.check(value).map_err(|argument| Error::new(operation, argument))?;
        self.connector.in_namespace(|| fs::write(Path::new(PROC_SYS).join(setting.name), value.to_string())).map_err(
            |failure| match failure {
                Failure::Io(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    let reason = format!("the kernel does not take {value}");
                    Error::new(operation, InvalidArgument::new(setting.name, reason))
                }
                failure => self.proc_failed(operation, failure),
            },
        )
    }

    /// Adds a service (`IPVS_CMD_NEW_SERVICE`). Errors of its own: `ServiceExists`, `NoSuchScheduler`,
    /// `NoSuchPersistenceEngine`.
    pub fn add_service(&self, service: &Service) -> Result<(), Error> {
        self.run(&Command::AddService(service.clone()))
    }

    /// Gives a service other settings, all of them (`IPVS_CMD_SET_SERVICE`). Its destinations and connections stay. Errors
    /// of its own: `NoSuchService`, `NoSuchScheduler`, `NoSuchPersistenceEngine`.
    pub fn edit_service(&self, service: &Service) -> Result<(), Error> {
        self.run(&Command::EditService(service.clone()))
    }

    /// Deletes a service and its destinations (`IPVS_CMD_DEL_SERVICE`). Error of its own: `NoSuchService`.
    pub fn delete_service(&self, id: &ServiceId) -> Result<(), Error> {
        self.run(&Command::DeleteService(*id))
    }

    /// Adds a destination to a service (`IPVS_CMD_NEW_DEST`). Errors of its own: `NoSuchService`, `DestinationExists`,
    /// `DestinationRefused`, `TunnelIgnored`.
    pub fn add_destination(&self, id: &ServiceId, destination: &Destination) -> Result<(), Error> {
        self.run(&Command::AddDestination(*id, destination.clone()))
    }

    /// Gives a destination other settings, all of them (`IPVS_CMD_SET_DEST`). Its connections stay. Errors of its own:
    /// `NoSuchService`, `NoSuchDestination`, `DestinationRefused`, `TunnelIgnored`.
    pub fn edit_destination(&self, id: &ServiceId, destination: &Destination) -> Result<(), Error> {
        self.run(&Command::EditDestination(*id, destination.clone()))
    }

    /// Deletes a destination of a service (`IPVS_CMD_DEL_DEST`). The kernel ends or keeps its connections as the setting
    /// `expire_nodest_conn` says. Errors of its own: `NoSuchService`, `NoSuchDestination`.
    pub fn delete_destination(&self, id: &ServiceId, address: &SocketAddr) -> Result<(), Error> {
        self.run(&Command::DeleteDestination(*id, *address))
    }

    /// Zeroes the counters of one service and its destinations, or of all (`IPVS_CMD_ZERO`). Error of its own:
    /// `NoSuchService`.
    pub fn zero(&self, id: Option<&ServiceId>) -> Result<(), Error> {
        self.run(&Command::Zero(id.copied()))
    }

    /// Deletes all services (`IPVS_CMD_FLUSH`).
    pub fn flush(&self) -> Result<(), Error> {
        self.run(&Command::Flush)
    }

    /// Sets how long idle connections are remembered; 0 leaves the time in force (`IPVS_CMD_SET_CONFIG`). Error of its
    /// own: `TimeoutsRefused`.
    pub fn set_timeouts(&self, timeouts: &Timeouts) -> Result<(), Error> {
        self.run(&Command::SetTimeouts(*timeouts))
    }

    /// Starts a synchronisation daemon (`IPVS_CMD_NEW_DAEMON`). Errors of its own: `DaemonExists`, `NoSuchInterface`,
    /// `DaemonRefused`.
    pub fn start_daemon(&self, daemon: &SyncDaemon) -> Result<(), Error> {
        self.run(&Command::StartDaemon(daemon.clone()))
    }

    /// Stops a synchronisation daemon (`IPVS_CMD_DEL_DAEMON`). Error of its own: `NoSuchDaemon`.
    pub fn stop_daemon(&self, role: Role) -> Result<(), Error> {
        self.run(&Command::StopDaemon(role))
    }

    // What scripts want.

    /// Makes the service what it should be, whether it is there or not.
    pub fn ensure_service(&self, service: &Service) -> Result<Ensured, Error> {
        ensure(
            || self.add_service(service),
            || self.edit_service(service),
            |error| matches!(error.kind, ErrorKind::NoSuchService),
        )
    }

    /// Makes the destination what it should be, whether it is there or not. The service has to be there.
    pub fn ensure_destination(&self, id: &ServiceId, destination: &Destination) -> Result<Ensured, Error> {
        ensure(
            || self.add_destination(id, destination),
            || self.edit_destination(id, destination),
            |error| matches!(error.kind, ErrorKind::NoSuchDestination),
        )
    }

    /// Deletes a service if it is there, and says whether it was.
    pub fn remove_service(&self, id: &ServiceId) -> Result<bool, Error> {
        removed(self.delete_service(id))
    }

    /// Deletes a destination if it is there, and says whether it was. A service that is not there has none.
    pub fn remove_destination(&self, id: &ServiceId, address: &SocketAddr) -> Result<bool, Error> {
        removed(self.delete_destination(id, address))
    }

    /// Changes the weight of a destination and nothing else, and returns the weight before.
    ///
    /// The kernel can only replace all settings at once, so this reads all destinations of the service and sends the one
    /// back with another weight: two exchanges, the first as long as the service is large, and a third with the first GUE
    /// or GRE tunnel of a client. One that is not listed is looked for three times, as a listing may miss it. What somebody
    /// else changes in that destination between the two is undone. Errors of its own: `NoSuchService`, `NoSuchDestination`.
    pub fn set_weight(&self, id: &ServiceId, address: &SocketAddr, weight: u32) -> Result<u32, Error> {
        let operation = Operation::SetWeight(*id, *address);
        check_weight(weight).map_err(|argument| Error::new(operation, argument))?;
        let destination = self.destination_to_weigh(id, address)?;
        let before = destination.weight;
        self.edit_weight(id, destination, weight)?;
        Ok(before)
    }

    /// The destination that is to get another weight, as it is.
    pub(crate) fn destination_to_weigh(&self, id: &ServiceId, address: &SocketAddr) -> Result<Destination, Error> {
        let operation = Operation::SetWeight(*id, *address);
        let named = Command::DeleteDestination(*id, *address);
        named.check().map_err(|argument| Error::new(operation, argument))?;
        if let Some(entry) = self.destination_if_any(operation, id, address)? {
            return Ok(entry.destination);
        }
        self.service(id).map_err(|error| Error { operation, ..error })?;
        Err(Error::new(operation, ErrorKind::NoSuchDestination))
    }

    /// Gives a destination that was listed another weight. Nothing else is checked: what a newer kernel has and this library
    /// cannot name goes back as it came.
    pub(crate) fn edit_weight(&self, id: &ServiceId, destination: Destination, weight: u32) -> Result<(), Error> {
        let operation = Operation::SetWeight(*id, destination.address);
        let edit = Command::EditDestination(*id, destination.with_weight(weight));
        self.send(&[edit]).into_single().map_err(|error| Error { operation, ..error })
    }

    /// Takes the lock of the network namespace, so that two programs of ours never look after pools in it at once. It is
    /// advisory: whoever does not ask for it is not held up. Error of its own: `Locked`.
    pub fn lock(&self) -> Result<NamespaceLock, Error> {
        NamespaceLock::take(&self.connector).map_err(|held| match held {
            Held::By(process) => Error::new(Operation::Lock, ErrorKind::Locked(process)),
            Held::Failed(failure) => self.failed(Operation::Lock, failure),
        })
    }

    /// The programs known to change IPVS tables by themselves, such as keepalived, that run in the network namespace: what
    /// two of them want is set back and forth for ever. Those of other users show to root and with `CAP_SYS_PTRACE` only.
    pub fn other_writers(&self) -> Result<Vec<OtherWriter>, Error> {
        other_writers(&self.connector).map_err(|failure| self.proc_failed(Operation::OtherWriters, failure))
    }

    /// Begins to take a destination out softly: its weight is 0 from here on. Errors of its own: `NoSuchService`,
    /// `NoSuchDestination`.
    pub fn drain(&self, id: &ServiceId, address: &SocketAddr, options: DrainOptions) -> Result<Drain, Error> {
        Drain::begin(self, id, address, options)
    }

    /// Begins to compare the table with what it was: the first look is now. It reads all of it, as each later one does, and twice,
    /// as a listing may miss something.
    pub fn watch(&self) -> Result<Watch, Error> {
        let mut watch = Watch::new(self.snapshot()?);
        watch.look(self)?;
        Ok(watch)
    }

    /// Makes this director what a VRRP script wants of it: the daemon runs, the one with the other role does not, and what
    /// is so already is left alone. Without a daemon, none runs. Says whether anything was changed.
    ///
    /// What is 0 or absent in `daemon` may be as it is. The other one is stopped first, as a script does it, but not if the
    /// interface is not there: `NoSuchInterface`. What else the kernel refuses a daemon for, it refuses after that.
    pub fn set_sync_role(&self, daemon: Option<&SyncDaemon>) -> Result<bool, Error> {
        if let Some(daemon) = daemon {
            self.check_daemon(daemon)?;
        }
        let (mut changed, mut runs) = (false, false);
        for running in self.daemons()? {
            if daemon.is_some_and(|daemon| daemon.is_met_by(&running)) {
                runs = true;
                continue;
            }
            match self.stop_daemon(running.role) {
                Err(Error { kind: ErrorKind::NoSuchDaemon, .. }) => {}
                result => result?,
            }
            changed = true;
        }
        if let Some(daemon) = daemon.filter(|_| !runs) {
            self.start_daemon(daemon)?;
            changed = true;
        }
        Ok(changed)
    }

    /// Refuses a daemon that cannot be started.
    fn check_daemon(&self, daemon: &SyncDaemon) -> Result<(), Error> {
        let operation = Operation::StartDaemon(daemon.role);
        daemon.check().map_err(|argument| Error::new(operation, argument))?;
        let find = || -> io::Result<u32> {
            let socket = net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
            Ok(netdevice::name_to_index(socket, &daemon.interface)?)
        };
        match self.connector.in_namespace(find) {
            Ok(_) => Ok(()),
            Err(Failure::Io(error)) if error.raw_os_error() == Some(Errno::NODEV.raw_os_error()) => {
                Err(Error::new(operation, ErrorKind::NoSuchInterface(daemon.interface.clone())))
            }
            Err(failure) => Err(self.failed(operation, failure)),
        }
    }

    /// One service, or nothing if it is not there.
    pub(crate) fn service_if_any(&self, id: &ServiceId) -> Result<Option<ServiceEntry>, Error> {
        match self.service(id) {
            Ok(entry) => Ok(Some(entry)),
            Err(Error { kind: ErrorKind::NoSuchService, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The settings of the services that a scope names. Where those are single services, each is asked for, and none can be
    /// missed as in a listing; a listing within which others may have changed the table is read twice.
    pub fn current_table(&self, scope: &Scope) -> Result<Table, Error> {
        let services = if let Some(ids) = scope.ids() {
            let entries = ids.iter().filter_map(|id| self.service_if_any(id).transpose());
            entries.map(|entry| Ok(entry?.service)).collect::<Result<_, Error>>()?
        } else {
            self.settings_of_services(ANOTHER_IF_CUT)?
        };
        let mut table = Table::new();
        for service in services.into_iter().filter(|service| scope.contains(&service.id)) {
            let operation = Operation::Destinations(service.id);
            let parse = |message: &[u8]| parse_destination(message, service.id.family()).map(|entry| entry.destination);
            let request = Request::GetDestinations(&service.id);
            let key = |destination: &Destination| destination.address;
            let destinations = self.many(operation, request, parse, key, ANOTHER_IF_CUT)?;
            table.insert(service.clone(), destinations);
        }
        Ok(table)
    }

    /// What [`apply`](Self::apply) would do now, without doing it.
    pub fn plan(&self, wanted: &Table, scope: &Scope) -> Result<Plan, Error> {
        apply::plan(self, wanted, scope)
    }

    /// Makes the table, or those services of it that the scope names, what it should be with the fewest commands. What is right
    /// is not touched and keeps its counters and connections; what differs is edited in place; what adds comes before what
    /// takes away. If the kernel refuses anything that adds, what takes away is held back where nobody would be left to answer.
    ///
    /// Nothing is transactional. When others change the table meanwhile it is looked at again, five times in all.
    pub fn apply(&self, wanted: &Table, options: &ApplyOptions) -> Result<Applied, Error> {
        apply::apply(self, wanted, options)
    }

    /// Lets a pool take over what the kernel holds, and makes the table what the pool then wants: at the start of a checker.
    pub fn adopt(&self, pool: &mut Pool) -> Result<Applied, Error> {
        let mut now = self.current_table(&pool.scope())?;
        // A listing may miss a server, which is not to be taken for a failed one.
        now.add_missing(&self.current_table(&pool.scope())?, |_| false);
        pool.adopt(&now);
        let mut applied = self.apply(&pool.table(), &ApplyOptions::default().with_scope(pool.scope()))?;
        applied.find_others(self);
        Ok(applied)
    }

    /// Does what follows from a fact for a pool: its services become what it wants, and those that it has not any more are
    /// deleted. The table is looked at before, since somebody else's change may be in the way of leaving nobody without a server.
    ///
    /// A service that was to be deleted and was not, as [`Applied`] shows, is not looked at by [`reconcile`](Self::reconcile): the
    /// same changes may be followed again. For a service that moves from one pool to another this is not the way:
    /// [`apply`](Self::apply) the tables of both.
    pub fn follow(&self, pool: &Pool, changes: &PoolChanges) -> Result<Applied, Error> {
        if changes.plan.is_empty() {
            return Ok(Applied::default());
        }
        let dropped = changes.plan.removals.iter().filter_map(|command| match command {
            Command::DeleteService(id) => Some(ScopePart::Service(*id)),
            _ => None,
        });
        self.apply(&pool.table(), &ApplyOptions::default().with_scope(pool.scope().with(dropped)))
    }

    /// Makes the services of a pool what it wants, whoever changed them: what was done is the drift that was found.
    pub fn reconcile(&self, pool: &Pool) -> Result<Applied, Error> {
        let mut applied = self.apply(&pool.table(), &ApplyOptions::default().with_scope(pool.scope()))?;
        if applied.is_changed() {
            applied.find_others(self);
        }
        Ok(applied)
    }

    /// Runs many commands, in order, with a few system calls; one that fails does not stop the rest.
    ///
    /// All are checked first: if one cannot be right, its error is returned and none is sent. Nothing is transactional;
    /// the report says what became of each. Each piece of up to 200 commands is an exchange with a deadline of its own.
    pub fn batch<C: Borrow<Command>>(&self, commands: &[C]) -> Result<Report, Error> {
        for command in commands {
            let command = command.borrow();
            command.check().map_err(|argument| Error::new(command.operation(), argument))?;
        }
        Ok(self.send(commands))
    }

    /// Runs commands that need no check.
    pub(crate) fn send<C: Borrow<Command>>(&self, commands: &[C]) -> Report {
        let mut report = Report::new(commands.len());
        while report.interrupted.is_none() && report.known < commands.len() {
            let start = report.known;
            let rest = &commands[start..];
            let chunk = self.connector.chunk(&rest.iter().map(|command| Request::Change(command.borrow())));
            report.sent = start + chunk.sent;
            for (position, refusal) in chunk.refused {
                report.failed.push((start + position, self.refused(rest[position].borrow(), refusal)));
            }
            let end = match chunk.end {
                Ok(()) => self.read_tunnels_back(&rest[..chunk.sent], &mut report),
                Err(failure) => {
                    let is_refused = |position: &usize| report.failed.iter().any(|(at, _)| at == position);
                    let in_doubt = (start..report.sent).find(|position| !is_refused(position));
                    let error = self.failed(commands[in_doubt.unwrap_or(start)].borrow().operation(), failure);
                    Err(Error { is_in_doubt: in_doubt.is_some(), ..error })
                }
            };
            report.failed.sort_by_key(|(position, _)| *position);
            report.interrupted = end.err();
        }
        report
    }

    /// Runs one command: a batch of one.
    pub fn run(&self, command: &Command) -> Result<(), Error> {
        self.batch(std::slice::from_ref(command))?.into_single()
    }

    /// A request with one reply.
    fn one<T>(
        &self,
        operation: Operation,
        request: Request<'_>,
        parse: impl Fn(&[u8]) -> Result<T, DecodeError>,
    ) -> Result<T, Error> {
        let mut answer = None;
        let result = self.connector.exchange(request, Mode::Acknowledge, |message| {
            answer = Some(parse(message)?);
            Ok(())
        });
        result.map_err(|failure| self.failed(operation, failure))?;
        answer.ok_or_else(|| Error::new(operation, ErrorKind::Malformed("an acknowledgement without a reply".into())))
    }

    /// A request with a list of replies. None with the same key is there twice.
    fn many<T, K: Ord>(
        &self,
        operation: Operation,
        request: Request<'_>,
        parse: impl Fn(&[u8]) -> Result<T, DecodeError>,
        key: impl Fn(&T) -> K,
        looks: usize,
    ) -> Result<Vec<T>, Error> {
        let (mut answers, mut was_cut) = (Vec::new(), false);
        for _ in 0..looks {
            let result = self.connector.exchange(request, Mode::Dump, |message| {
                answers.push(parse(message)?);
                Ok(())
            });
            let is_cut = result.map_err(|failure| self.failed(operation, failure))?;
            if !is_cut {
                break;
            }
            was_cut = true;
        }
        if was_cut {
            keep_first(&mut answers, key);
        }
        answers.shrink_to_fit();
        Ok(answers)
    }

    fn settings_of_services(&self, looks: usize) -> Result<Vec<Service>, Error> {
        let parse = |message: &[u8]| parse_service(message).map(|entry| entry.service);
        self.many(Operation::Services, Request::GetServices, parse, |service| service.id, looks)
    }

    /// A service that is not there has no destinations.
    pub(crate) fn destinations_or_none(
        &self,
        operation: Operation,
        id: &ServiceId,
    ) -> Result<Vec<DestinationEntry>, Error> {
        let family = id.family();
        let parse = |message: &[u8]| parse_destination(message, family);
        self.many(operation, Request::GetDestinations(id), parse, |entry| entry.destination.address, ONE_LOOK)
    }

    /// One destination, or nothing if it is not there. A listing may miss it, and so what is not there is looked for again.
    pub(crate) fn destination_if_any(
        &self,
        operation: Operation,
        id: &ServiceId,
        address: &SocketAddr,
    ) -> Result<Option<DestinationEntry>, Error> {
        for _ in 0..LOOKS_FOR_ONE {
            let entries = self.destinations_or_none(operation, id)?;
            if let Some(entry) = entries.into_iter().find(|entry| entry.destination.address == *address) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    fn open_proc(&self, operation: Operation, name: &str) -> Result<File, Error> {
        self.connector
            .in_namespace(|| File::open(Path::new(PROC_NET).join(name)))
            .map_err(|failure| self.proc_failed(operation, failure))
    }

    fn proc_failed(&self, operation: Operation, failure: Failure) -> Error {
        let Failure::Io(error) = failure else {
            return self.failed(operation, failure);
        };
        let namespace = self.connector.namespace_name();
        let kind = match (error.kind(), operation) {
            (io::ErrorKind::NotFound, Operation::Setting(_) | Operation::SetSetting(_)) if has_proc() => {
                ErrorKind::NoSuchSetting
            }
            (io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem, Operation::SetSetting(_)) => {
                ErrorKind::SettingDenied { namespace, error }
            }
            _ => proc_error(error, &namespace),
        };
        Error::new(operation, kind)
    }

    fn failed(&self, operation: Operation, failure: Failure) -> Error {
        failed(operation, failure, &self.connector)
    }

    /// What a refusal of a command means. The kernel says the same of a missing scheduler and of a missing persistence
    /// engine: where it can be either, it is asked about the scheduler alone.
    fn refused(&self, command: &Command, refusal: Refusal) -> Error {
        let mut error = refused(command.operation(), refusal, &self.connector);
        if let (Command::StartDaemon(daemon), ErrorKind::NoSuchInterface(name)) = (command, &mut error.kind) {
            name.clone_from(&daemon.interface);
        }
        if let Command::AddService(service) | Command::EditService(service) = command
            && let ErrorKind::NoSuchScheduler(name) = &mut error.kind
        {
            name.clone_from(&service.scheduler);
            if let Some(engine) = &service.persistence_engine {
                let probe = self.connector.chunk(&std::iter::once(name.as_str()).map(Request::ProbeScheduler));
                let errno = probe.refused.first().map(|(_, refusal)| refusal.errno);
                if errno == Some(Errno::INVAL.raw_os_error()) {
                    error.kind = ErrorKind::NoSuchPersistenceEngine(engine.clone());
                } else if errno != Some(Errno::NOENT.raw_os_error()) {
                    let text = Some(format!("no scheduler '{name}' or no persistence engine '{engine}'"));
                    error.kind = ErrorKind::Kernel { errno: Errno::NOENT.raw_os_error(), text };
                }
            }
        }
        error
    }

    /// Kernels before 5.3 take a tunnel's attributes without a word and make it an IPIP one. They do not list the type
    /// of a tunnel either, which is how one is known, once for each client. There the tunnels are errors, and those that
    /// were added are deleted again. The commands are those that were sent last; of all that come before the first tunnel that
    /// cannot be read back it is known what became of them.
    fn read_tunnels_back<C: Borrow<Command>>(&self, commands: &[C], report: &mut Report) -> Result<(), Error> {
        let (start, ended) = (report.known, report.failed.len());
        for (position, command) in commands.iter().map(Borrow::borrow).enumerate() {
            let (Command::AddDestination(id, wanted) | Command::EditDestination(id, wanted)) = command else {
                continue;
            };
            let special = matches!(wanted.forwarding, Forwarding::Tunnel(tunnel) if tunnel != Tunnel::Ipip);
            let was_done = || report.failed[..ended].binary_search_by_key(&(start + position), |(at, _)| *at).is_err();
            if !special || self.knows_tunnels.load(Ordering::Relaxed) || !was_done() {
                continue;
            }
            let operation = command.operation();
            let unknown = |error| Error { is_in_doubt: true, ..error };
            report.known = start + position;
            let request = Request::GetDestinations(id);
            let listed = self.many(operation, request, names_tunnel_type, |is_named| *is_named, ONE_LOOK);
            let listed = listed.map_err(unknown)?;
            if listed.contains(&true) {
                self.knows_tunnels.store(true, Ordering::Relaxed);
            } else if listed.contains(&false) {
                let is_last = !commands[position + 1..].iter().any(|later| match later.borrow() {
                    Command::AddDestination(other, destination) | Command::EditDestination(other, destination) => {
                        (other, destination.address) == (id, wanted.address)
                    }
                    _ => false,
                });
                if matches!(command, Command::AddDestination(..)) && is_last {
                    self.remove_destination(id, &wanted.address).map_err(unknown)?;
                }
                report.failed.push((start + position, Error::new(operation, ErrorKind::TunnelIgnored)));
            }
        }
        report.known = report.sent;
        Ok(())
    }
}

fn read_setting(setting: &Setting) -> io::Result<String> {
    fs::read_to_string(Path::new(PROC_SYS).join(setting.name))
}

fn has_proc() -> bool {
    Path::new("/proc/self").exists()
}

/// What it means that a file of the kernel's cannot be used.
fn proc_error(error: io::Error, namespace: &str) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::NotFound if !has_proc() => {
            ErrorKind::Io(io::Error::new(io::ErrorKind::NotFound, "/proc is not there, as after a chroot"))
        }
        io::ErrorKind::NotFound => ErrorKind::Unavailable,
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied(namespace.to_owned()),
        _ => ErrorKind::Io(error),
    }
}

/// Removes what has the same key as something before it, with little memory.
fn keep_first<T, K: Ord>(items: &mut Vec<T>, key: impl Fn(&T) -> K) {
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_unstable_by_key(|place| (key(&items[*place]), *place));
    let is_same = |pair: &&[usize]| key(&items[pair[0]]) == key(&items[pair[1]]);
    let mut again: Vec<usize> = order.windows(2).filter(is_same).map(|pair| pair[1]).collect();
    again.sort_unstable();
    let mut again = again.into_iter().peekable();
    let mut place = 0..;
    items.retain(|_| again.next_if_eq(&place.next().unwrap_or_default()).is_none());
}

/// Adds, or edits what is there; looks again if it goes away in between.
fn ensure(
    add: impl Fn() -> Result<(), Error>,
    edit: impl Fn() -> Result<(), Error>,
    is_gone: impl Fn(&Error) -> bool,
) -> Result<Ensured, Error> {
    let mut attempts = 3;
    loop {
        match add() {
            Ok(()) => return Ok(Ensured::Created),
            Err(Error { kind: ErrorKind::ServiceExists | ErrorKind::DestinationExists, .. }) => {}
            Err(error) => return Err(error),
        }
        attempts -= 1;
        match edit() {
            Ok(()) => return Ok(Ensured::Updated),
            Err(error) if is_gone(&error) && attempts > 0 => {}
            Err(error) => return Err(error),
        }
    }
}

fn removed(deleted: Result<(), Error>) -> Result<bool, Error> {
    match deleted {
        Ok(()) => Ok(true),
        Err(Error { kind: ErrorKind::NoSuchService | ErrorKind::NoSuchDestination, .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
