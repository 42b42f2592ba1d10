//! A pool: services that share real servers, what is known of each server, and the policy that makes a table of that. Facts
//! go in, commands and events come out. No I/O and no clock: how a server is probed is the caller's business.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;

use crate::destination::check_weight;
use crate::{Destination, InvalidArgument, Plan, Scope, Service, ServiceId, Table};

/// What a pool is made of, and its policy. The names of the policy are keepalived's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolConfig {
    /// The services that share the servers, one at least.
    pub services: Vec<Service>,
    /// The real servers, each with its settings and the weight that it has while it is well.
    pub servers: Vec<Destination>,
    /// Who answers while there is no quorum; without one, whoever is well goes on.
    pub sorry_server: Option<Destination>,
    /// So much weight has to be well: below it, less the hysteresis, the quorum is lost. 1 at least.
    pub quorum: u32,
    /// The quorum is gained with so much more, and lost with so much less. Below the quorum. The weights of all servers together
    /// have to reach the quorum with it, or what is lost is never gained again.
    pub hysteresis: u32,
    /// A server that failed is kept with weight 0, and so keeps its connections, instead of being deleted.
    pub inhibit_on_failure: bool,
    /// The sorry server is kept with weight 0 while there is a quorum, and so keeps its connections, instead of being deleted.
    pub sorry_server_inhibit: bool,
    /// Servers begin as failed and have to prove themselves, instead of beginning as well.
    pub alpha: bool,
    /// So many good results one after the other make a failed server well. 1 at least.
    pub rise: u32,
    /// So many bad results one after the other make a server that was well failed. 1 at least.
    pub fall: u32,
}

impl PoolConfig {
    /// A pool without servers: quorum 1, no hysteresis, no sorry server, and one result decides.
    #[must_use]
    pub fn new(services: impl IntoIterator<Item = Service>) -> Self {
        Self {
            services: services.into_iter().collect(),
            servers: Vec::new(),
            sorry_server: None,
            quorum: 1,
            hysteresis: 0,
            inhibit_on_failure: false,
            sorry_server_inhibit: false,
            alpha: false,
            rise: 1,
            fall: 1,
        }
    }

    /// The same pool with these servers.
    #[must_use]
    pub fn with_servers(mut self, servers: impl IntoIterator<Item = Destination>) -> Self {
        self.servers = servers.into_iter().collect();
        self
    }

    /// The same pool with a sorry server.
    #[must_use]
    pub fn with_sorry_server(mut self, server: Destination) -> Self {
        self.sorry_server = Some(server);
        self
    }

    /// The same pool with another quorum and hysteresis.
    #[must_use]
    pub fn with_quorum(mut self, quorum: u32, hysteresis: u32) -> Self {
        self.quorum = quorum;
        self.hysteresis = hysteresis;
        self
    }

    /// The same pool, keeping failed servers with weight 0 or not.
    #[must_use]
    pub fn with_inhibit_on_failure(mut self, inhibit: bool) -> Self {
        self.inhibit_on_failure = inhibit;
        self
    }

    /// The same pool, keeping the sorry server with weight 0 or not.
    #[must_use]
    pub fn with_sorry_server_inhibit(mut self, inhibit: bool) -> Self {
        self.sorry_server_inhibit = inhibit;
        self
    }

    /// The same pool, whose servers begin as failed or as well.
    #[must_use]
    pub fn with_alpha(mut self, alpha: bool) -> Self {
        self.alpha = alpha;
        self
    }

    /// The same pool with other counts.
    #[must_use]
    pub fn with_rise_and_fall(mut self, rise: u32, fall: u32) -> Self {
        self.rise = rise;
        self.fall = fall;
        self
    }

    /// Checks everything that can be known before the kernel is asked.
    pub fn check(&self) -> Result<(), InvalidArgument> {
        let wrong = |field, reason: String| Err(InvalidArgument::new(field, reason));
        if self.services.is_empty() {
            return wrong("services", "a pool needs one at least".to_owned());
        }
        for (name, count) in [("quorum", self.quorum), ("rise", self.rise), ("fall", self.fall)] {
            if count == 0 {
                return wrong(name, "it must be at least 1".to_owned());
            }
        }
        if self.sorry_server.as_ref().is_some_and(|sorry| sorry.weight == 0) {
            return wrong("sorry_server", "with weight 0 it answers nobody".to_owned());
        }
        if self.hysteresis >= self.quorum {
            return wrong("hysteresis", format!("{} is not below the quorum {}", self.hysteresis, self.quorum));
        }
        let mut ids = BTreeSet::new();
        for service in &self.services {
            service.check()?;
            if !ids.insert(service.id) {
                return wrong("services", format!("{} is there twice", service.id));
            }
            for server in self.servers.iter().chain(&self.sorry_server) {
                server.check(&service.id)?;
            }
        }
        let mut addresses: BTreeSet<_> = self.sorry_server.iter().map(|sorry| sorry.address).collect();
        for server in &self.servers {
            if !addresses.insert(server.address) {
                return wrong("servers", format!("{} is there twice", server.address));
            }
        }
        Ok(())
    }
}

/// Something that happened in a pool. Of each kind only what is new is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PoolEvent {
    /// A server is well again.
    ServerUp(SocketAddr),
    /// A server failed.
    ServerDown(SocketAddr),
    /// Enough servers are well.
    QuorumGained,
    /// Too few servers are well; the sorry server takes over, if there is one.
    QuorumLost,
}

impl PoolEvent {
    /// A short name for programs, such as `server_down`; it never changes.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::ServerUp(_) => "server_up",
            Self::ServerDown(_) => "server_down",
            Self::QuorumGained => "quorum_gained",
            Self::QuorumLost => "quorum_lost",
        }
    }

    /// The server that it is about, if it is about one.
    #[must_use]
    pub fn server(&self) -> Option<SocketAddr> {
        match self {
            Self::ServerUp(address) | Self::ServerDown(address) => Some(*address),
            Self::QuorumGained | Self::QuorumLost => None,
        }
    }
}

impl fmt::Display for PoolEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServerUp(address) => write!(f, "server {address} is up"),
            Self::ServerDown(address) => write!(f, "server {address} is down"),
            Self::QuorumGained => f.write_str("quorum gained"),
            Self::QuorumLost => f.write_str("quorum lost"),
        }
    }
}

/// What follows from a fact.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PoolChanges {
    /// From the table that was wanted to the one that is wanted now.
    pub plan: Plan,
    /// What happened, in order.
    pub events: Vec<PoolEvent>,
}

impl PoolChanges {
    /// Whether nothing follows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plan.is_empty() && self.events.is_empty()
    }
}

/// What is known of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerState {
    /// Whether it is well.
    pub is_up: bool,
    /// The weight that was set at run time in the place of the configured one.
    pub weight: Option<u32>,
    /// How many results in a row spoke against what it is.
    against: u32,
}

/// Services that share real servers, and what is known of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    config: PoolConfig,
    states: BTreeMap<SocketAddr, ServerState>,
    has_quorum: bool,
}

impl Pool {
    /// A pool of which nothing is known yet.
    pub fn new(config: PoolConfig) -> Result<Self, InvalidArgument> {
        config.check()?;
        let mut pool = Self { config, states: BTreeMap::new(), has_quorum: false };
        pool.fill_states();
        pool.has_quorum = pool.live_weight() >= pool.config.quorum.into();
        Ok(pool)
    }

    /// What it is made of.
    #[must_use]
    pub fn config(&self) -> &PoolConfig {
        &self.config
    }

    /// What is known of each server.
    pub fn servers(&self) -> impl Iterator<Item = (&Destination, ServerState)> {
        self.config.servers.iter().map(|server| (server, self.state_of(&server.address)))
    }

    /// Whether enough servers are well.
    #[must_use]
    pub fn has_quorum(&self) -> bool {
        self.has_quorum
    }

    /// Its services: nothing else is touched.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.config.services.iter().map(|service| service.id).collect()
    }

    /// The table that it wants. It depends on what is known of the servers and on the quorum, not on how that came about.
    #[must_use]
    pub fn table(&self) -> Table {
        let serve = self.has_quorum || self.config.sorry_server.is_none();
        let servers = self.servers().filter_map(|(server, state)| {
            let own = weight(server, state);
            let weight = match (state.is_up && (serve || own == 0), self.config.inhibit_on_failure) {
                (true, _) => own,
                (false, true) => 0,
                (false, false) => return None,
            };
            Some(server.clone().with_weight(weight))
        });
        let sorry = self.config.sorry_server.iter().filter_map(|sorry| {
            match (self.has_quorum, self.config.sorry_server_inhibit) {
                (false, _) => Some(sorry.clone()),
                (true, true) => Some(sorry.clone().with_weight(0)),
                (true, false) => None,
            }
        });
        let destinations: Vec<_> = servers.chain(sorry).collect();
        let mut table = Table::new();
        for service in &self.config.services {
            table.insert(service.clone(), destinations.iter().cloned());
        }
        table
    }

    /// Takes in the result of a check.
    pub fn checked(&mut self, address: &SocketAddr, is_well: bool) -> Result<PoolChanges, InvalidArgument> {
        let enough = if is_well { self.config.rise } else { self.config.fall };
        let state = self.state_mut(address)?;
        state.against = if state.is_up == is_well { 0 } else { state.against + 1 };
        // Most results are no news, and then no table is made.
        if state.against < enough {
            return Ok(PoolChanges::default());
        }
        self.change(|pool, events| {
            let state = pool.state_mut(address)?;
            *state = ServerState { is_up: is_well, against: 0, ..*state };
            events.push(if is_well { PoolEvent::ServerUp(*address) } else { PoolEvent::ServerDown(*address) });
            Ok(())
        })
    }

    /// Sets the weight that a server has while it is well, over failure and recovery; nothing is the configured one. With 0
    /// it keeps its connections, gets no new ones, and does not count for the quorum; it stays also when that is lost.
    pub fn set_weight(&mut self, address: &SocketAddr, weight: Option<u32>) -> Result<PoolChanges, InvalidArgument> {
        weight.map_or(Ok(()), check_weight)?;
        self.change(|pool, _| {
            pool.state_mut(address)?.weight = weight;
            Ok(())
        })
    }

    /// Takes another configuration. What is known of the servers that stay is kept, but a weight that was set at run time
    /// gives way to a configured one that is new. What follows deletes services that are not in it any more: see
    /// [`Client::follow`](crate::Client::follow).
    pub fn set_config(&mut self, config: PoolConfig) -> Result<PoolChanges, InvalidArgument> {
        config.check()?;
        self.change(|pool, _| {
            let before = std::mem::replace(&mut pool.config, config);
            for server in &pool.config.servers {
                let old = before.servers.iter().find(|old| old.address == server.address);
                if old.is_some_and(|old| old.weight != server.weight)
                    && let Some(state) = pool.states.get_mut(&server.address)
                {
                    state.weight = None;
                }
            }
            pool.fill_states();
            Ok(())
        })
    }

    /// Takes over what the kernel holds, after a restart: a server with a weight is well and keeps it, and one that is not
    /// there failed. One with weight 0 failed if failed servers are kept so; else it is well, and somebody set the 0, unless
    /// nobody has a weight: then a checker was ended while it drained them all, and they are well. A service without any of the
    /// servers tells nothing. Says nothing of it; [`Client::adopt`](crate::Client::adopt) does what is to be
    /// done besides.
    pub fn adopt(&mut self, now: &Table) {
        let servers = || self.config.servers.iter().chain(&self.config.sorry_server);
        let tells = |id: &ServiceId| servers().any(|server| now.destination(id, &server.address).is_some());
        let ids: Vec<_> = self.config.services.iter().map(|service| service.id).filter(tells).collect();
        if ids.is_empty() {
            return;
        }
        let found = |address| ids.iter().filter_map(|id| now.destination(id, address)).map(|found| found.weight).max();
        let is_served = servers().any(|server| found(&server.address).is_some_and(|weight| weight > 0));
        for server in &self.config.servers {
            let (is_up, weight) = match found(&server.address) {
                None => (false, None),
                Some(weight) if weight == server.weight => (true, None),
                Some(0) if self.config.inhibit_on_failure => (false, None),
                Some(0) if !is_served => (true, None),
                Some(weight) => (true, Some(weight)),
            };
            self.states.insert(server.address, ServerState { is_up, weight, against: 0 });
        }
        self.has_quorum = match &self.config.sorry_server {
            Some(sorry) => found(&sorry.address).is_none_or(|weight| weight == 0),
            None => self.live_weight() >= self.config.quorum.into(),
        };
        self.decide_quorum();
    }

    /// What is known, as text for a file: a line for each server, with what it is and the weight that was set, or `-`, and one for
    /// the quorum.
    #[must_use]
    pub fn state(&self) -> String {
        let up = |is_up| if is_up { "up" } else { "down" };
        let servers = self.servers().map(|(server, state)| {
            let weight = state.weight.map_or_else(|| "-".to_owned(), |weight| weight.to_string());
            format!("{} {} {weight}", server.address, up(state.is_up))
        });
        let lines = std::iter::once(format!("quorum {}", up(self.has_quorum))).chain(servers);
        lines.map(|line| line + "\n").collect()
    }

    /// Takes over what [`state`](Self::state) wrote, also for another configuration: servers that are not there any
    /// more are passed over. Nothing is taken over if a line is not one of those.
    pub fn adopt_state(&mut self, text: &str) -> Result<(), InvalidArgument> {
        let (mut states, mut has_quorum) = (self.states.clone(), self.has_quorum);
        for line in text.lines() {
            let wrong = || InvalidArgument::new("state", format!("'{line}' is no line of a pool's state"));
            let words: Vec<_> = line.split(' ').collect();
            let (name, is_up, weight) = match words[..] {
                ["quorum", is_up] => {
                    has_quorum = parse_up(is_up).ok_or_else(wrong)?;
                    continue;
                }
                [name, is_up, weight] => (name, parse_up(is_up).ok_or_else(wrong)?, weight),
                _ => return Err(wrong()),
            };
            let address: SocketAddr = name.parse().map_err(|_| wrong())?;
            let weight = match weight {
                "-" => None,
                number => Some(number.parse().map_err(|_| wrong())?),
            };
            weight.map_or(Ok(()), check_weight)?;
            if let Some(state) = states.get_mut(&address) {
                *state = ServerState { is_up, weight, against: 0 };
            }
        }
        (self.states, self.has_quorum) = (states, has_quorum);
        self.decide_quorum();
        Ok(())
    }

    /// Does something to what is known, and finds out what follows.
    fn change(
        &mut self,
        work: impl FnOnce(&mut Self, &mut Vec<PoolEvent>) -> Result<(), InvalidArgument>,
    ) -> Result<PoolChanges, InvalidArgument> {
        let (before, mut events) = (self.table(), Vec::new());
        work(self, &mut events)?;
        events.extend(self.decide_quorum());
        Ok(PoolChanges { plan: before.plan_to(&self.table()), events })
    }

    /// Whether there is a quorum by what is well now; tells if that is new.
    fn decide_quorum(&mut self) -> Option<PoolEvent> {
        let (live, quorum, hysteresis) = (self.live_weight(), self.config.quorum, self.config.hysteresis);
        if self.has_quorum && live < (quorum - hysteresis).into() {
            self.has_quorum = false;
            Some(PoolEvent::QuorumLost)
        } else if !self.has_quorum && live >= u64::from(quorum) + u64::from(hysteresis) {
            self.has_quorum = true;
            Some(PoolEvent::QuorumGained)
        } else {
            None
        }
    }

    fn live_weight(&self) -> u64 {
        self.servers().filter(|(_, state)| state.is_up).map(|(server, state)| u64::from(weight(server, state))).sum()
    }

    /// A state for each server, and no other.
    fn fill_states(&mut self) {
        let new = ServerState { is_up: !self.config.alpha, weight: None, against: 0 };
        let known = std::mem::take(&mut self.states);
        let state = |address| known.get(&address).copied().unwrap_or(new);
        self.states = self.config.servers.iter().map(|server| (server.address, state(server.address))).collect();
    }

    fn state_of(&self, address: &SocketAddr) -> ServerState {
        // Each server has one.
        self.states.get(address).copied().unwrap_or(ServerState { is_up: false, weight: None, against: 0 })
    }

    fn state_mut(&mut self, address: &SocketAddr) -> Result<&mut ServerState, InvalidArgument> {
        self.states
            .get_mut(address)
            .ok_or_else(|| InvalidArgument::new("server", format!("the pool has no server {address}")))
    }
}

/// The weight of a server that is well.
fn weight(server: &Destination, state: ServerState) -> u32 {
    state.weight.unwrap_or(server.weight)
}

fn parse_up(word: &str) -> Option<bool> {
    match word {
        "up" => Some(true),
        "down" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
