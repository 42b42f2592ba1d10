//! The client.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ipvs_core::{ApplyOptions, DrainOptions, Ensured, Error, Operation, Options, Role, ServiceTable};
use pyo3::PyClass;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::argument::{
    self, Keyword, items, keyword_name, number, object, optional, parsed, seconds, switch, text, unknown,
};
use crate::command::{self, Command, Held};
use crate::connection::Connections;
use crate::daemon::SyncDaemon;
use crate::destination::{Address, DestinationEntry, Settings, destination};
use crate::drain::Drain;
use crate::error::raise;
use crate::lock::{NamespaceLock, other_writer};
use crate::log::{log, log_change};
use crate::pool::{Pool, PoolChanges};
use crate::python::{member, record};
use crate::report::{Report, log_all};
use crate::service::{Id, ServiceEntry, settings};
use crate::setting;
use crate::table::{Applied, Plan, Table, scope, table as read_table};
use crate::watch::Watch;

/// Signals are looked at between two pieces of a batch, so that Ctrl-C is prompt: the first is of so many commands, and the next of
/// as many as would have taken this time, but of so many at most and of so few that may be slow. Most take some microseconds, but
/// adding a destination takes milliseconds where many were deleted. A piece costs as much as some hundred commands.
const PIECE_FIRST: usize = 128;
const PIECE_MAX: usize = 4096;
const PIECE_SLOW_MAX: usize = 16;
const PIECE_TIME: Duration = Duration::from_millis(50);

/// A connection to the kernel's IPVS in one network namespace.
///
/// `timeout` is how many seconds an exchange with the kernel may wait; None or 0 waits for ever. `netns` is a network
/// namespace, by its name in /run/netns or, with a slash in it, by its path; None is the calling thread's. `load_module` says
/// whether /sbin/modprobe may be run where the kernel does not load IPVS itself (before Linux 5.16).
///
/// What asks the kernel needs `CAP_NET_ADMIN`, reading too; a setting may be changed with it, and by root even without.
/// `connections`, `total_stats`, `setting` and `settings` read files of `/proc`, as everybody may. Another namespace needs
/// `CAP_SYS_ADMIN` besides. Threads may share a client, and it works after a fork. What fails raises a subclass of Error; besides
/// those that a method names, each may raise `InvalidArgument`, `PermissionDenied`, `Unavailable`, `TimedOut`, `NamespaceError`,
/// `KernelError`, `IoError`, `Malformed`.
#[pyclass(frozen, module = "ipvs")]
pub(crate) struct Client {
    /// Held for as long as this is looked at, never during an exchange; nothing once it is closed.
    open: Mutex<Option<Arc<ipvs_core::Client>>>,
    options: Options,
}

impl Client {
    fn open(&self) -> PyResult<Arc<ipvs_core::Client>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.clone().ok_or_else(|| PyValueError::new_err("the client is closed"))
    }

    /// Runs an operation while other Python threads run.
    fn run<T: Send>(
        &self,
        python: Python<'_>,
        operation: Operation,
        run: impl FnOnce(&ipvs_core::Client) -> Result<T, Error> + Send,
    ) -> PyResult<T> {
        let client = self.open()?;
        let result = python.detach(|| run(&client));
        log(python, &operation, result.as_ref().err().map(|error| error as &dyn Display))?;
        result.map_err(|error| raise(python, &error))
    }

    /// Adds or edits, and tells which.
    fn ensure<'py>(
        &self,
        python: Python<'py>,
        [add, edit]: [Operation; 2],
        ensure: impl FnOnce(&ipvs_core::Client) -> Result<Ensured, Error> + Send,
    ) -> PyResult<Bound<'py, PyAny>> {
        let client = self.open()?;
        let result = python.detach(|| ensure(&client));
        let (operation, text) = match &result {
            Ok(Ensured::Updated) => (edit, "updated"),
            _ => (add, "created"),
        };
        log(python, &operation, result.as_ref().err().map(|error| error as &dyn Display))?;
        result.map_err(|error| raise(python, &error))?;
        member(python, "Ensured", text)
    }

    fn change(&self, python: Python<'_>, command: &ipvs_core::Command) -> PyResult<()> {
        self.run(python, command.operation(), |client| client.run(command))
    }

    fn batch_of(
        python: Python<'_>,
        client: &ipvs_core::Client,
        commands: &[impl Borrow<ipvs_core::Command> + Sync],
        lines: Vec<usize>,
    ) -> PyResult<Report> {
        // All of them were checked when they were made.
        let mut report = Report::new(commands.len(), lines);
        let (mut rest, mut loaded) = (commands, BTreeSet::new());
        let (mut most, mut most_slow) = (PIECE_FIRST, 1);
        while let [first, ..] = rest
            && !report.is_interrupted()
        {
            let longest = rest.len().min(most);
            let mut slow = (0..longest).filter(|place| rest[*place].borrow().is_slow(&loaded));
            // Up to the first slow one, or to the one that is too many.
            let first_slow = slow.next();
            let is_slow = first_slow == Some(0);
            let length = if is_slow { slow.nth(most_slow - 1) } else { first_slow }.unwrap_or(longest);
            let (piece, later) = rest.split_at(length);
            let start = Instant::now();
            let part = python.detach(|| client.batch(piece)).map_err(|error| raise(python, &error))?;
            let share = PIECE_TIME.as_secs_f64() / start.elapsed().as_secs_f64();
            if is_slow {
                most_slow = scaled(most_slow, share, PIECE_SLOW_MAX);
            } else {
                most = scaled(length, share, PIECE_MAX);
            }
            if is_slow && part.is_done() {
                loaded.extend(first.borrow().modules().cloned());
            }
            // A signal's handler may run while Python logs, too.
            let logged = log_all(python, piece, &part);
            report.extend(part);
            rest = later;
            if let Err(raised) = logged.and_then(|()| python.check_signals()) {
                return Err(with_report(python, raised, report));
            }
        }
        Ok(report)
    }
}

/// So many times a number, within 1 and another.
fn scaled(number: usize, times: f64, most: usize) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "what is too much is cut off"
    )]
    let scaled = (number as f64 * times) as usize;
    scaled.clamp(1, most)
}

/// An exception that ends a batch, with what had been done by then.
fn with_report(python: Python<'_>, raised: PyErr, report: Report) -> PyErr {
    // One that takes no attribute, such as a frozen dataclass, comes through as it is.
    let _ = raised.value(python).setattr("report", report);
    raised
}

/// What became of applying something, logged.
fn finish(python: Python<'_>, reason: &str, applied: Result<ipvs_core::Applied, Error>) -> PyResult<Applied> {
    match applied {
        Ok(applied) => {
            log(python, &Operation::Apply, None)?;
            Applied::new(python, reason, applied)
        }
        Err(error) => {
            log(python, &Operation::Apply, Some(&error))?;
            Err(raise(python, &error))
        }
    }
}

/// A time in seconds, or None.
fn limit(name: &'static str, value: &Bound<'_, PyAny>) -> PyResult<Option<Duration>> {
    optional(value, |value| seconds(name, value, "; None waits for ever"))
}

fn list<Entry, Object>(python: Python<'_>, entries: Vec<Entry>) -> PyResult<Bound<'_, PyList>>
where
    Object: PyClass + From<Entry> + Into<PyClassInitializer<Object>>,
{
    let objects = entries.into_iter().map(|entry| Bound::new(python, Object::from(entry)));
    PyList::new(python, objects.collect::<PyResult<Vec<_>>>()?)
}

fn table(python: Python<'_>, table: ServiceTable) -> PyResult<Bound<'_, PyAny>> {
    let entry: Bound<'_, ServiceEntry> = Bound::new(python, ServiceEntry::from(table.entry))?;
    record(python, "ServiceTable", (entry, list::<_, DestinationEntry>(python, table.destinations)?.to_tuple()))
}

#[pymethods]
impl Client {
    #[new]
    #[pyo3(
        signature = (**settings),
        text_signature = "(*, timeout=5.0, netns=None, load_module=True)"
    )]
    fn new(python: Python<'_>, settings: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let mut options = Options::default();
        for (name, value) in settings.into_iter().flatten() {
            match &*keyword_name(&name)? {
                "timeout" => options.timeout = limit("timeout", &value)?,
                "netns" => options.netns = optional(&value, |value| text("netns", value).map(str::to_owned))?,
                "load_module" => options.load_module = switch("load_module", &value)?,
                other => return Err(unknown(other)),
            }
        }
        let client = python.detach(|| ipvs_core::Client::connect_with(&options));
        log(python, &Operation::Connect, client.as_ref().err().map(|error| error as &dyn Display))?;
        let client = client.map_err(|error| raise(python, &error))?;
        Ok(Self { open: Mutex::new(Some(Arc::new(client))), options })
    }

    /// Closes the socket. The client cannot be used again; to close it twice does nothing.
    fn close(&self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyAny>) {
        self.close();
    }

    fn __repr__(&self) -> String {
        let state = if self.open().is_ok() { "" } else { " closed" };
        let netns = self.options.netns.as_ref().map(|name| format!(" netns={name:?}")).unwrap_or_default();
        format!("<ipvs.Client{netns}{state}>")
    }

    /// Version and size of the kernel's IPVS: an Info.
    fn info<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let info = self.run(python, Operation::Info, ipvs_core::Client::info)?;
        record(python, "Info", (info.version.to_string(), info.connection_table_size))
    }

    /// All virtual services, a list of `ServiceEntry` in the kernel's order.
    fn services<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        list::<_, ServiceEntry>(python, self.run(python, Operation::Services, ipvs_core::Client::services)?)
    }

    /// One virtual service: a `ServiceEntry`.
    ///
    /// Raises `NoSuchService`.
    fn service(&self, python: Python<'_>, service: Id) -> PyResult<Py<ServiceEntry>> {
        let entry = self.run(python, Operation::Service(service.0), |client| client.service(&service.0))?;
        Py::new(python, ServiceEntry::from(entry))
    }

    /// The destinations of a virtual service, a list of `DestinationEntry` in the kernel's order.
    ///
    /// Raises `NoSuchService`.
    fn destinations<'py>(&self, python: Python<'py>, service: Id) -> PyResult<Bound<'py, PyList>> {
        let operation = Operation::Destinations(service.0);
        list::<_, DestinationEntry>(python, self.run(python, operation, |client| client.destinations(&service.0))?)
    }

    /// The whole table: a list of `ServiceTable`, each with `entry` and `destinations`.
    fn snapshot<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let tables = self.run(python, Operation::Services, ipvs_core::Client::snapshot)?;
        let tables: Vec<_> = tables.into_iter().map(|entry| table(python, entry)).collect::<PyResult<_>>()?;
        PyList::new(python, tables)
    }

    /// How long idle connections are remembered: a Timeouts.
    fn timeouts<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let timeouts = self.run(python, Operation::Timeouts, ipvs_core::Client::timeouts)?;
        record(python, "Timeouts", (timeouts.tcp, timeouts.tcp_fin, timeouts.udp))
    }

    /// The synchronisation daemons that run, a list of `SyncDaemon`: none, one or both.
    fn daemons<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let daemons = self.run(python, Operation::Daemons, ipvs_core::Client::daemons)?;
        list::<_, SyncDaemon>(python, daemons)
    }

    /// All connections: an iterator of Connection that reads them as they are asked for.
    fn connections(&self, python: Python<'_>) -> PyResult<Connections> {
        self.run(python, Operation::Connections, ipvs_core::Client::connections).map(Connections::new)
    }

    /// The counters of all services of the namespace together, those deleted included: a Stats.
    fn total_stats<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        crate::stats::to_python(python, &self.run(python, Operation::TotalStats, ipvs_core::Client::total_stats)?)
    }

    /// The settings that this kernel has (/proc/sys/net/ipv4/vs): their names and values. `ipvs.SETTINGS` says what each does.
    ///
    /// Raises `Unavailable` without IPVS.
    fn settings<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let settings = PyDict::new(python);
        for (setting, value) in self.run(python, Operation::Settings, ipvs_core::Client::settings)? {
            settings.set_item(setting.name, setting::to_python(python, &value)?)?;
        }
        Ok(settings)
    }

    /// One setting: a bool, an int, two of them in a tuple or a str.
    ///
    /// Raises `NoSuchSetting` where this kernel has none of that name.
    fn setting<'py>(&self, python: Python<'py>, name: &Bound<'_, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let name = setting::name(name)?;
        setting::to_python(python, &self.run(python, Operation::Setting(name), |client| client.setting(name))?)
    }

    /// Writes one setting. It is of the whole namespace, and lasts until it is written again or the namespace ends.
    ///
    /// Raises `NoSuchSetting`, `SettingDenied`.
    fn set_setting(&self, python: Python<'_>, name: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let name = setting::name(name)?;
        let value = setting::from_python(name, value)?;
        self.run(python, Operation::SetSetting(name), |client| client.set_setting(name, &value))
    }

    /// Adds a virtual service.
    ///
    /// Raises `ServiceExists`, `NoSuchScheduler`, `NoSuchPersistenceEngine`.
    fn add_service(&self, python: Python<'_>, service: &Bound<'_, PyAny>) -> PyResult<()> {
        self.change(python, &ipvs_core::Command::AddService(settings(service)?.clone()))
    }

    /// Gives a virtual service other settings, all of them. Its destinations and connections stay.
    ///
    /// Raises `NoSuchService`, `NoSuchScheduler`, `NoSuchPersistenceEngine`.
    fn edit_service(&self, python: Python<'_>, service: &Bound<'_, PyAny>) -> PyResult<()> {
        self.change(python, &ipvs_core::Command::EditService(settings(service)?.clone()))
    }

    /// Makes a virtual service what it should be, whether it is there or not, and says which: an Ensured.
    fn ensure_service<'py>(&self, python: Python<'py>, service: &Bound<'_, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let service = settings(service)?;
        let operations = [Operation::AddService(service.id), Operation::EditService(service.id)];
        self.ensure(python, operations, |client| client.ensure_service(service))
    }

    /// Deletes a virtual service and its destinations.
    ///
    /// Raises `NoSuchService`.
    fn delete_service(&self, python: Python<'_>, service: Id) -> PyResult<()> {
        self.change(python, &ipvs_core::Command::DeleteService(service.0))
    }

    /// Deletes a virtual service if it is there, and says whether it was.
    fn remove_service(&self, python: Python<'_>, service: Id) -> PyResult<bool> {
        self.run(python, Operation::DeleteService(service.0), |client| client.remove_service(&service.0))
    }

    /// Adds a destination to a virtual service: a Destination, or what names one with its settings as keywords.
    ///
    /// Raises `NoSuchService`, `DestinationExists`, `DestinationRefused`, `TunnelIgnored`.
    #[pyo3(
        signature = (
            service, destination, *, forwarding = Keyword::LEFT_OUT, tunnel = Keyword::LEFT_OUT,
            weight = Keyword::LEFT_OUT, upper_threshold = Keyword::LEFT_OUT, lower_threshold = Keyword::LEFT_OUT
        ),
        text_signature = "(self, service, destination, *, forwarding='direct-route', tunnel=None, weight=1, \
            upper_threshold=0, lower_threshold=0)"
    )]
    #[expect(clippy::too_many_arguments, reason = "they are keywords of Python's")]
    fn add_destination(
        &self,
        python: Python<'_>,
        service: Id,
        destination: &Bound<'_, PyAny>,
        forwarding: Keyword<'_, '_>,
        tunnel: Keyword<'_, '_>,
        weight: Keyword<'_, '_>,
        upper_threshold: Keyword<'_, '_>,
        lower_threshold: Keyword<'_, '_>,
    ) -> PyResult<()> {
        let destination =
            self::destination(destination, Settings { forwarding, tunnel, weight, upper_threshold, lower_threshold })?;
        self.change(python, &ipvs_core::Command::AddDestination(service.0, destination))
    }

    /// Gives a destination other settings, all of them: what is not given goes to its default. Its connections stay.
    ///
    /// Raises `NoSuchService`, `NoSuchDestination`, `DestinationRefused`, `TunnelIgnored`.
    #[pyo3(
        signature = (
            service, destination, *, forwarding = Keyword::LEFT_OUT, tunnel = Keyword::LEFT_OUT,
            weight = Keyword::LEFT_OUT, upper_threshold = Keyword::LEFT_OUT, lower_threshold = Keyword::LEFT_OUT
        ),
        text_signature = "(self, service, destination, *, forwarding='direct-route', tunnel=None, weight=1, \
            upper_threshold=0, lower_threshold=0)"
    )]
    #[expect(clippy::too_many_arguments, reason = "they are keywords of Python's")]
    fn edit_destination(
        &self,
        python: Python<'_>,
        service: Id,
        destination: &Bound<'_, PyAny>,
        forwarding: Keyword<'_, '_>,
        tunnel: Keyword<'_, '_>,
        weight: Keyword<'_, '_>,
        upper_threshold: Keyword<'_, '_>,
        lower_threshold: Keyword<'_, '_>,
    ) -> PyResult<()> {
        let destination =
            self::destination(destination, Settings { forwarding, tunnel, weight, upper_threshold, lower_threshold })?;
        self.change(python, &ipvs_core::Command::EditDestination(service.0, destination))
    }

    /// Makes a destination what it should be, whether it is there or not, and says which: an Ensured.
    #[pyo3(
        signature = (
            service, destination, *, forwarding = Keyword::LEFT_OUT, tunnel = Keyword::LEFT_OUT,
            weight = Keyword::LEFT_OUT, upper_threshold = Keyword::LEFT_OUT, lower_threshold = Keyword::LEFT_OUT
        ),
        text_signature = "(self, service, destination, *, forwarding='direct-route', tunnel=None, weight=1, \
            upper_threshold=0, lower_threshold=0)"
    )]
    #[expect(clippy::too_many_arguments, reason = "they are keywords of Python's")]
    fn ensure_destination<'py>(
        &self,
        python: Python<'py>,
        service: Id,
        destination: &Bound<'_, PyAny>,
        forwarding: Keyword<'_, '_>,
        tunnel: Keyword<'_, '_>,
        weight: Keyword<'_, '_>,
        upper_threshold: Keyword<'_, '_>,
        lower_threshold: Keyword<'_, '_>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let destination =
            self::destination(destination, Settings { forwarding, tunnel, weight, upper_threshold, lower_threshold })?;
        let (id, address) = (service.0, destination.address);
        let operations = [Operation::AddDestination(id, address), Operation::EditDestination(id, address)];
        self.ensure(python, operations, |client| client.ensure_destination(&id, &destination))
    }

    /// Changes the weight of a destination, 0 to 2147483647, and nothing else, and returns the weight before.
    ///
    /// The kernel replaces all settings at once, so this reads the destinations of the service and sends the one back: what
    /// somebody else changes in it between the two is undone. Raises `NoSuchService`, `NoSuchDestination`.
    fn set_weight(
        &self,
        python: Python<'_>,
        service: Id,
        destination: Address,
        weight: &Bound<'_, PyAny>,
    ) -> PyResult<u32> {
        let weight = number("weight", weight, ipvs_core::WEIGHT_MAX)?;
        let operation = Operation::SetWeight(service.0, destination.0);
        self.run(python, operation, |client| client.set_weight(&service.0, &destination.0, weight))
    }

    /// Deletes a destination of a virtual service.
    ///
    /// Raises `NoSuchService`, `NoSuchDestination`.
    fn delete_destination(&self, python: Python<'_>, service: Id, destination: Address) -> PyResult<()> {
        self.change(python, &ipvs_core::Command::DeleteDestination(service.0, destination.0))
    }

    /// Deletes a destination if it is there, and says whether it was.
    fn remove_destination(&self, python: Python<'_>, service: Id, destination: Address) -> PyResult<bool> {
        let operation = Operation::DeleteDestination(service.0, destination.0);
        self.run(python, operation, |client| client.remove_destination(&service.0, &destination.0))
    }

    /// Zeroes the counters of one service and its destinations, or of all.
    ///
    /// Raises `NoSuchService`.
    #[pyo3(signature = (service = None))]
    fn zero(&self, python: Python<'_>, service: Option<Id>) -> PyResult<()> {
        self.change(python, &ipvs_core::Command::Zero(service.map(|id| id.0)))
    }

    /// Deletes all virtual services.
    fn flush(&self, python: Python<'_>) -> PyResult<()> {
        self.change(python, &ipvs_core::Command::Flush)
    }

    /// Sets how long idle connections are remembered, in seconds; 0 leaves what is in force. Raises `TimeoutsRefused`.
    #[pyo3(
        signature = (timeouts = None, **parts),
        text_signature = "(self, timeouts=None, *, tcp=0, tcp_fin=0, udp=0)"
    )]
    fn set_timeouts(
        &self,
        python: Python<'_>,
        timeouts: Option<&Bound<'_, PyAny>>,
        parts: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        self.change(python, &ipvs_core::Command::SetTimeouts(command::timeouts(python, timeouts, parts)?))
    }

    /// Starts a synchronisation daemon.
    ///
    /// Raises `DaemonExists`, `NoSuchInterface`, `DaemonRefused`.
    fn start_daemon(&self, python: Python<'_>, daemon: &Bound<'_, PyAny>) -> PyResult<()> {
        self.change(
            python,
            &ipvs_core::Command::StartDaemon(object::<SyncDaemon>("daemon", "a SyncDaemon", daemon)?.get().0.clone()),
        )
    }

    /// Stops the synchronisation daemon with this role.
    ///
    /// Raises `NoSuchDaemon`.
    fn stop_daemon(&self, python: Python<'_>, role: &Bound<'_, PyAny>) -> PyResult<()> {
        let role: Role = parsed("role", role)?;
        self.change(python, &ipvs_core::Command::StopDaemon(role))
    }

    /// Runs one Command.
    #[pyo3(name = "run")]
    fn run_command(&self, python: Python<'_>, command: &Bound<'_, PyAny>) -> PyResult<()> {
        self.change(python, &object::<Command>("command", "a Command", command)?.get().0)
    }

    /// Runs many Commands, in order, with a few system calls, and says in a Report what became of each.
    ///
    /// All are checked first: if one cannot be right, none is sent. One that fails does not stop the rest. What a signal's
    /// handler raises meanwhile (`KeyboardInterrupt`) ends it between two pieces, and has the Report as its attribute `report`,
    /// if it takes one.
    fn batch(&self, python: Python<'_>, commands: &Bound<'_, PyAny>) -> PyResult<Report> {
        let held = |command: &Bound<'_, PyAny>| {
            object::<Command>("commands", "a Command", command).map(|command| Held(command.clone().unbind()))
        };
        let list = items("commands", "an iterable of Command", commands, held)?;
        let client = self.open()?;
        Self::batch_of(python, &client, &list, Vec::new())
    }

    /// The table as rules, a line each: what `ipvsadm -S -n` writes, and thresholds.
    fn save(&self, python: Python<'_>) -> PyResult<String> {
        let save = |client: &ipvs_core::Client| client.snapshot().map(|table| ipvs_core::rules::print(&table));
        self.run(python, Operation::Services, save)
    }

    /// Runs rules as a batch, and says in a Report what became of each. All lines are read and checked before the first is
    /// sent; one that is no rule raises a `RuleError`. With `clear` all services are deleted first. Positions in the Report
    /// count the commands; an error has the `line`, too.
    #[pyo3(signature = (text, *, clear = None), text_signature = "(self, text, *, clear=False)")]
    fn restore(
        &self,
        python: Python<'_>,
        text: &Bound<'_, PyAny>,
        clear: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Report> {
        let clear = clear.map_or(Ok(false), |clear| switch("clear", clear))?;
        let (lines, commands): (_, Vec<_>) = command::read(python, text)?.into_iter().unzip();
        let client = self.open()?;
        if clear && let Err(raised) = self.change(python, &ipvs_core::Command::Flush) {
            return Err(with_report(python, raised, Report::new(commands.len(), lines)));
        }
        Self::batch_of(python, &client, &commands, lines)
    }

    /// The settings of the services that a scope names: a Table.
    ///
    /// A scope is an id (`"tcp://10.0.0.1:80"`) or a Service, a network (`"10.0.0.0/24"`), firewall marks (`"fwmark:1-99"`), or
    /// an iterable of these; None is the whole table.
    #[pyo3(signature = (scope = None))]
    fn current_table(&self, python: Python<'_>, scope: Option<&Bound<'_, PyAny>>) -> PyResult<Table> {
        let scope = self::scope(scope)?;
        self.run(python, Operation::Services, |client| client.current_table(&scope)).map(Table)
    }

    /// What `apply` would do now, without doing it: a Plan.
    ///
    /// Raises `RuleError` for rules that cannot be read or have no command.
    #[pyo3(signature = (table, *, scope = None))]
    fn plan(&self, python: Python<'_>, table: &Bound<'_, PyAny>, scope: Option<&Bound<'_, PyAny>>) -> PyResult<Plan> {
        let (table, scope) = (read_table(table)?, self::scope(scope)?);
        self.run(python, Operation::Services, |client| client.plan(&table, &scope)).map(Plan)
    }

    /// Makes the table, or those services that the scope names, what it should be with the fewest commands, and says in an
    /// Applied what became of them. `table` is a Table, rules, or pairs of a Service and its destinations, such as a snapshot.
    ///
    /// What is right is not touched and keeps its counters and connections; what adds comes before what takes away. If the kernel
    /// refuses anything that adds, what takes away is held back where nobody would be left to answer. A table that others change
    /// meanwhile is looked at again, five times in all. With `rollback`, the settings from before are restored when something is
    /// refused; what was deleted comes back without its counters. Each change is logged at the level INFO.
    ///
    /// Raises `RuleError` for rules that cannot be read or have no command.
    #[pyo3(
        signature = (table, *, scope = None, rollback = None),
        text_signature = "(self, table, *, scope=None, rollback=False)"
    )]
    fn apply(
        &self,
        python: Python<'_>,
        table: &Bound<'_, PyAny>,
        scope: Option<&Bound<'_, PyAny>>,
        rollback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Applied> {
        let rollback = rollback.map_or(Ok(false), |rollback| switch("rollback", rollback))?;
        let options = ApplyOptions::default().with_scope(self::scope(scope)?).with_rollback(rollback);
        let table = read_table(table)?;
        let client = self.open()?;
        finish(python, "apply", python.detach(|| client.apply(&table, &options)))
    }

    /// Lets a Pool take over what the kernel holds, and makes its services what it then wants: at the start of a checker. Says
    /// in an Applied what was done.
    fn adopt(&self, python: Python<'_>, pool: &Bound<'_, PyAny>) -> PyResult<Applied> {
        let pool = object::<Pool>("pool", "a Pool", pool)?.get();
        let client = self.open()?;
        finish(python, "adopt", pool.with(python, |pool| client.adopt(pool))?)
    }

    /// Does what follows from a fact for a Pool, and says in an Applied what was done. If somebody else has changed its
    /// services meanwhile, they are made what it wants.
    fn follow(&self, python: Python<'_>, pool: &Bound<'_, PyAny>, changes: &Bound<'_, PyAny>) -> PyResult<Applied> {
        let pool = object::<Pool>("pool", "a Pool", pool)?.get();
        let changes = object::<PoolChanges>("changes", "a PoolChanges", changes)?.get();
        let client = self.open()?;
        finish(python, &changes.reason, pool.with(python, |pool| client.follow(pool, &changes.changes))?)
    }

    /// Makes the services of a Pool what it wants, whoever changed them: what the Applied says was done is the drift that was
    /// found.
    fn reconcile(&self, python: Python<'_>, pool: &Bound<'_, PyAny>) -> PyResult<Applied> {
        let pool = object::<Pool>("pool", "a Pool", pool)?.get();
        let client = self.open()?;
        finish(python, "drift", pool.with(python, |pool| client.reconcile(pool))?)
    }

    /// Begins to take a destination out softly, by setting its weight 0, and gives the Drain that ends it.
    ///
    /// After `deadline` seconds it is deleted with the connections that it still has; None waits for ever. It waits for active
    /// connections; with `inactive` for inactive ones too, as it always does for UDP, which has no others; with `persistent`
    /// until no client is bound to it by persistence, which may take for ever unless the setting `expire_quiescent_template`
    /// is on. Raises `NoSuchService`, `NoSuchDestination`.
    #[pyo3(
        signature = (service, destination, **options),
        text_signature = "(self, service, destination, *, deadline=None, inactive=False, persistent=False)"
    )]
    fn drain(
        &self,
        python: Python<'_>,
        service: Id,
        destination: Address,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Drain> {
        let mut chosen = DrainOptions::default();
        for (name, value) in options.into_iter().flatten() {
            match &*keyword_name(&name)? {
                "deadline" => chosen.deadline = limit("deadline", &value)?,
                "inactive" => chosen.inactive = switch("inactive", &value)?,
                "persistent" => chosen.persistent = switch("persistent", &value)?,
                other => return Err(unknown(other)),
            }
        }
        let (service, address) = (service.0, destination.0);
        let operation = Operation::SetWeight(service, address);
        // Somebody may close it meanwhile.
        let client = self.open()?;
        let drain = self.run(python, operation, |client| client.drain(&service, &address, chosen))?;
        log_change(python, "drain", &format!("{operation} to 0"))?;
        Ok(Drain::new(client, service, address, drain))
    }

    /// What changes in the table from now on, every `interval` seconds: a Watch.
    #[pyo3(signature = (*, interval = None), text_signature = "(self, *, interval=1.0)")]
    fn watch(&self, python: Python<'_>, interval: Option<&Bound<'_, PyAny>>) -> PyResult<Watch> {
        let interval = interval.map_or(Ok(Duration::from_secs(1)), argument::interval)?;
        let client = self.open()?;
        let watch = self.run(python, Operation::Services, ipvs_core::Client::watch)?;
        Ok(Watch::new(client, interval, watch))
    }

    /// Makes this director what a VRRP script wants of it: this `SyncDaemon` runs and the one with the other role does not, or
    /// none does. Says whether anything was changed. What is 0 or None in the daemon may be as it is.
    ///
    /// Raises `NoSuchInterface`, `DaemonRefused`.
    #[pyo3(signature = (daemon))]
    fn set_sync_role(&self, python: Python<'_>, daemon: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        let daemon = daemon.map(|daemon| object::<SyncDaemon>("daemon", "a SyncDaemon", daemon)).transpose()?;
        let daemon = daemon.map(|daemon| &daemon.get().0);
        let operation = daemon.map_or(Operation::Daemons, |daemon| Operation::StartDaemon(daemon.role));
        let changed = self.run(python, operation, |client| client.set_sync_role(daemon))?;
        if changed {
            let role =
                daemon.map_or_else(|| "none".to_owned(), |daemon| format!("{} on {}", daemon.role, daemon.interface));
            log_change(python, "sync role", &role)?;
        }
        Ok(changed)
    }

    /// Takes the lock of the network namespace, so that two programs of ours never look after pools in it at once: a
    /// `NamespaceLock`, for a `with` block. It is advisory: whoever does not ask for it is not held up.
    ///
    /// Raises `Locked`.
    fn lock(&self, python: Python<'_>) -> PyResult<NamespaceLock> {
        self.run(python, Operation::Lock, ipvs_core::Client::lock).map(NamespaceLock::new)
    }

    /// The programs known to change IPVS tables by themselves, such as keepalived, that run in the network namespace: a list
    /// of `OtherWriter`.
    fn other_writers<'py>(&self, python: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let writers = self.run(python, Operation::OtherWriters, ipvs_core::Client::other_writers)?;
        writers.iter().map(|writer| other_writer(python, writer)).collect()
    }
}

/// For the test that a panic is an exception, and that what it breaks off heals: an overflow in the middle of a batch, while a pool
/// is held.
#[cfg(debug_assertions)]
#[pyfunction]
#[pyo3(name = "_panic")]
pub(crate) fn panics(python: Python<'_>, client: &Bound<'_, Client>, pool: &Bound<'_, Pool>) -> PyResult<()> {
    use std::sync::atomic::{AtomicU8, Ordering};

    /// A command that can be looked at once, when it is checked, and not again, when it is sent.
    struct Overflows(AtomicU8, ipvs_core::Command);

    impl Borrow<ipvs_core::Command> for Overflows {
        fn borrow(&self) -> &ipvs_core::Command {
            let looks = self.0.load(Ordering::Relaxed);
            self.0.store(looks + 1, Ordering::Relaxed);
            &self.1
        }
    }

    let commands = [Overflows(AtomicU8::new(u8::MAX - 1), ipvs_core::Command::Flush)];
    let client = client.get().open()?;
    let report = pool.get().with(python, |_| client.batch(&commands))?.map_err(|error| raise(python, &error))?;
    Err(PyValueError::new_err(format!("{report:?}")))
}
