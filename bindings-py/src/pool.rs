//! Pools of real servers.

use ipvs_core::{InvalidArgument, PoolConfig, PoolEvent, WEIGHT_MAX};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::argument::{keyword_name, number, optional, switch, text, unknown, wanted};
use crate::destination::{Address, NO_SETTINGS, destination};
use crate::error::invalid;
use crate::held::Held;
use crate::python::{member, record};
use crate::service::settings;
use crate::table::{Plan, Table};

/// Virtual services that share real servers, what is known of each server, and a policy. Facts go in, and what follows from
/// them comes out, for `Client.follow`: how a server is checked is the program's business.
///
/// `services` are Services, one at least; `servers` Destinations, each with the weight that it has while it is well;
/// `sorry_server` answers while there is no quorum. The quorum is lost when less weight than `quorum` less `hysteresis` is
/// well, and gained with `quorum` and `hysteresis`. A server that failed is deleted, or with `inhibit_on_failure` kept with
/// weight 0; so is the sorry server with `sorry_server_inhibit`, while it has nothing to do. `rise` good results in a row make
/// a server well, `fall` bad ones make it failed; with `alpha` servers begin as failed.
///
/// Threads may share a pool. What follows from two facts is to be done in their order; `Client.reconcile` mends what was not.
#[pyclass(frozen, module = "ipvs")]
pub(crate) struct Pool(Held<ipvs_core::Pool>);

/// What follows from a fact, for `Client.follow`. It is true if anything does.
#[pyclass(frozen, module = "ipvs")]
pub(crate) struct PoolChanges {
    pub changes: ipvs_core::PoolChanges,
    /// What it was, for the log.
    pub reason: String,
}

impl Pool {
    /// Does something with it while other Python threads run: another one may hold it during an exchange.
    pub fn with<T: Send>(
        &self,
        python: Python<'_>,
        work: impl FnOnce(&mut ipvs_core::Pool) -> T + Send,
    ) -> PyResult<T> {
        self.0.with(python, work)
    }

    /// Takes a fact in. What happened is the reason of what follows, or else the fact.
    fn change(
        &self,
        python: Python<'_>,
        fact: &str,
        change: impl FnOnce(&mut ipvs_core::Pool) -> Result<ipvs_core::PoolChanges, InvalidArgument> + Send,
    ) -> PyResult<PoolChanges> {
        let changes = self.with(python, change)?.map_err(|error| invalid(python, &error))?;
        let events: Vec<_> = changes.events.iter().map(ToString::to_string).collect();
        let reason = if events.is_empty() { fact.to_owned() } else { events.join(", ") };
        Ok(PoolChanges { changes, reason })
    }
}

fn config(settings: Option<&Bound<'_, PyDict>>) -> PyResult<PoolConfig> {
    let mut config = PoolConfig::new([]);
    let server = |value: &Bound<'_, PyAny>| destination(value, NO_SETTINGS);
    for (name, value) in settings.into_iter().flatten() {
        match &*keyword_name(&name)? {
            "services" => config.services = services(&value)?,
            "servers" => config.servers = wanted("servers", "an iterable of Destination", "", &value, server)?,
            "sorry_server" => config.sorry_server = optional(&value, server)?,
            "quorum" => config.quorum = number("quorum", &value, u32::MAX)?,
            "hysteresis" => config.hysteresis = number("hysteresis", &value, u32::MAX)?,
            "inhibit_on_failure" => config.inhibit_on_failure = switch("inhibit_on_failure", &value)?,
            "sorry_server_inhibit" => config.sorry_server_inhibit = switch("sorry_server_inhibit", &value)?,
            "alpha" => config.alpha = switch("alpha", &value)?,
            "rise" => config.rise = number("rise", &value, u32::MAX)?,
            "fall" => config.fall = number("fall", &value, u32::MAX)?,
            other => return Err(unknown(other)),
        }
    }
    Ok(config)
}

fn services(value: &Bound<'_, PyAny>) -> PyResult<Vec<ipvs_core::Service>> {
    wanted("services", "an iterable of Service", "", value, |service| settings(service).cloned())
}

#[pymethods]
impl Pool {
    #[new]
    #[pyo3(
        signature = (**settings),
        text_signature = "(*, services, servers=(), sorry_server=None, quorum=1, hysteresis=0, \
            inhibit_on_failure=False, sorry_server_inhibit=False, alpha=False, rise=1, fall=1)"
    )]
    fn new(python: Python<'_>, settings: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let pool = ipvs_core::Pool::new(config(settings)?).map_err(|error| invalid(python, &error))?;
        Ok(Self(Held::new(pool)))
    }

    /// Takes in the result of a check of a server.
    fn checked(&self, python: Python<'_>, server: Address, is_well: &Bound<'_, PyAny>) -> PyResult<PoolChanges> {
        let is_well = switch("is_well", is_well)?;
        self.change(python, "check", |pool| pool.checked(&server.0, is_well))
    }

    /// Sets the weight that a server has while it is well, over failure and recovery; None is the configured one. With 0 it
    /// keeps its connections, gets no new ones, and does not count for the quorum.
    fn set_weight(&self, python: Python<'_>, server: Address, weight: &Bound<'_, PyAny>) -> PyResult<PoolChanges> {
        let weight = optional(weight, |weight| number("weight", weight, WEIGHT_MAX))?;
        self.change(python, "weight", |pool| pool.set_weight(&server.0, weight))
    }

    /// Takes another configuration, all of it: what is not given goes to its default. What is known of the servers that stay
    /// is kept, but a weight that was set at run time gives way to a configured one that is new.
    #[pyo3(
        signature = (**settings),
        text_signature = "(self, *, services, servers=(), sorry_server=None, quorum=1, hysteresis=0, \
            inhibit_on_failure=False, sorry_server_inhibit=False, alpha=False, rise=1, fall=1)"
    )]
    fn set_config(&self, python: Python<'_>, settings: Option<&Bound<'_, PyDict>>) -> PyResult<PoolChanges> {
        let config = config(settings)?;
        self.change(python, "configuration", |pool| pool.set_config(config))
    }

    /// The Table that it wants.
    fn table(&self, python: Python<'_>) -> PyResult<Table> {
        self.with(python, |pool| pool.table()).map(Table)
    }

    /// What is known of each server: a list of `ServerState`.
    fn servers<'py>(&self, python: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let servers: Vec<_> = self.with(python, |pool| {
            let state = |(server, state): (&ipvs_core::Destination, ipvs_core::ServerState)| {
                (server.address.to_string(), state.is_up, state.weight.unwrap_or(server.weight))
            };
            pool.servers().map(state).collect()
        })?;
        servers.into_iter().map(|server| record(python, "ServerState", server)).collect()
    }

    /// Whether enough servers are well.
    #[getter]
    fn has_quorum(&self, python: Python<'_>) -> PyResult<bool> {
        self.with(python, |pool| pool.has_quorum())
    }

    /// What is known, as text for a file: a line for the quorum and one for each server.
    fn state(&self, python: Python<'_>) -> PyResult<String> {
        self.with(python, |pool| pool.state())
    }

    /// Takes over what `state` gave before, also for another configuration: servers that are not there any more are passed
    /// over. Nothing is taken over if a line is not one of those.
    fn adopt_state(&self, python: Python<'_>, text: &Bound<'_, PyAny>) -> PyResult<()> {
        let text = self::text("text", text)?;
        self.with(python, |pool| pool.adopt_state(text))?.map_err(|error| invalid(python, &error))
    }

    fn __repr__(&self, python: Python<'_>) -> PyResult<String> {
        self.with(python, |pool| {
            let ids: Vec<_> = pool.config().services.iter().map(|service| service.id.to_string()).collect();
            let up = pool.servers().filter(|(_, state)| state.is_up).count();
            format!("<Pool of {}: {up} of {} servers up>", ids.join(", "), pool.servers().count())
        })
    }
}

#[pymethods]
impl PoolChanges {
    /// From the table that was wanted to the one that is wanted now.
    #[getter]
    fn plan(&self) -> Plan {
        Plan(self.changes.plan.clone())
    }

    /// What happened, in order, a tuple of `PoolEvent`. Nothing is said twice.
    #[getter]
    fn events<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let event = |event: &PoolEvent| {
            let server = event.server().map(|address| address.to_string());
            record(python, "PoolEvent", (member(python, "PoolEventKind", event.name())?, server, event.to_string()))
        };
        PyTuple::new(python, self.changes.events.iter().map(event).collect::<PyResult<Vec<_>>>()?)
    }

    fn __bool__(&self) -> bool {
        !self.changes.is_empty()
    }

    fn __repr__(&self) -> String {
        let plan = &self.changes.plan;
        let commands = plan.additions.len() + plan.removals.len();
        format!("<PoolChanges: {commands} commands, {} events>", self.changes.events.len())
    }
}
