//! Taking a destination out softly: weight 0, a wait until its connections are gone or a deadline has passed, then deletion.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::{Client, Destination, DestinationEntry, Error, ErrorKind, Operation, Protocol, ServiceId};

/// What a drain waits for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DrainOptions {
    /// How long it waits at most; at the end the destination is deleted with the connections that it still has. Nothing
    /// waits for ever.
    pub deadline: Option<Duration>,
    /// Whether it waits for inactive connections too: for TCP those that are ending, and before Linux 4.8 those that are being
    /// made (`tcp_state_active_table`). A UDP service has no others, so there it always does; a firewall mark does not tell
    /// what is behind it, and for UDP this has to be given.
    pub inactive: bool,
    /// Whether it waits until no client is bound to the destination by persistence. Such a client still makes new
    /// connections to a destination of weight 0, unless the setting `expire_quiescent_template` is on, and each
    /// connection binds it longer: without that setting or a deadline this may take for ever.
    pub persistent: bool,
}

impl DrainOptions {
    /// The same options with a deadline.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Option<Duration>) -> Self {
        self.deadline = deadline;
        self
    }

    /// The same options, waiting for inactive connections or not.
    #[must_use]
    pub fn with_inactive(mut self, inactive: bool) -> Self {
        self.inactive = inactive;
        self
    }

    /// The same options, waiting for persistence or not.
    #[must_use]
    pub fn with_persistent(mut self, persistent: bool) -> Self {
        self.persistent = persistent;
        self
    }
}

/// How a drain stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DrainState {
    /// Connections are left.
    Waiting,
    /// None was left, and the destination is deleted.
    Drained,
    /// The deadline passed, and the destination is deleted with the connections that it had.
    DeadlinePassed,
    /// Somebody else deleted it.
    Gone,
    /// Somebody else gave it a weight again: it is left alone.
    Overruled,
    /// It was cancelled: the destination has the weight that it had.
    Cancelled,
}

impl fmt::Display for DrainState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "waiting",
            Self::Drained => "drained",
            Self::DeadlinePassed => "deadline-passed",
            Self::Gone => "gone",
            Self::Overruled => "overruled",
            Self::Cancelled => "cancelled",
        })
    }
}

/// What a look at a destination that is drained showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainProgress {
    /// How it stands.
    pub state: DrainState,
    /// Active connections.
    pub active_connections: u32,
    /// Other connections.
    pub inactive_connections: u32,
    /// Persistence templates.
    pub persistent_connections: u32,
}

/// A destination that is being drained. Nothing happens by itself: each [`step`](Self::step) looks once. Dropped, it leaves
/// the destination with weight 0.
#[derive(Debug, Clone)]
pub struct Drain {
    service: ServiceId,
    /// With the weight that it had.
    destination: Destination,
    options: DrainOptions,
    end: Option<Instant>,
    state: DrainState,
}

impl Drain {
    pub(crate) fn begin(
        client: &Client,
        service: &ServiceId,
        address: &SocketAddr,
        options: DrainOptions,
    ) -> Result<Self, Error> {
        // What is too far away is never.
        let end = options.deadline.and_then(|deadline| Instant::now().checked_add(deadline));
        let destination = client.destination_to_weigh(service, address)?;
        let weight_before = destination.weight;
        if let Err(error) = client.edit_weight(service, destination.clone(), 0) {
            // Whether it is 0 may not be known, and nobody else would set it back.
            let _ = client.edit_weight(service, destination, weight_before);
            return Err(error);
        }
        Ok(Self { service: *service, destination, options, end, state: DrainState::Waiting })
    }

    /// How it stood at the last step.
    #[must_use]
    pub fn state(&self) -> DrainState {
        self.state
    }

    /// The weight that it had.
    #[must_use]
    pub fn weight_before(&self) -> u32 {
        self.destination.weight
    }

    /// The destination with the weight that it had: as it was before, or as it was given back.
    #[must_use]
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// How long it waits at most from now on.
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        self.end.map(|end| end.saturating_duration_since(Instant::now()))
    }

    /// Looks how many connections are left, and deletes the destination if it is time. After that, only the state is told.
    pub fn step(&mut self, client: &Client) -> Result<DrainProgress, Error> {
        let mut progress = DrainProgress {
            state: self.state,
            active_connections: 0,
            inactive_connections: 0,
            persistent_connections: 0,
        };
        if self.state != DrainState::Waiting {
            return Ok(progress);
        }
        if let Some(entry) = self.look(client)? {
            progress.active_connections = entry.active_connections;
            progress.inactive_connections = entry.inactive_connections;
            progress.persistent_connections = entry.persistent_connections;
            self.state = self.delete_if_time(client, &progress)?;
        }
        progress.state = self.state;
        Ok(progress)
    }

    /// The destination if it is still there with weight 0; if not, that is how it stands.
    fn look(&mut self, client: &Client) -> Result<Option<DestinationEntry>, Error> {
        let (service, address) = (self.service, self.destination.address);
        let entry = client.destination_if_any(Operation::Destinations(service), &service, &address)?;
        self.state = match &entry {
            None => DrainState::Gone,
            Some(entry) if entry.destination.weight > 0 => DrainState::Overruled,
            Some(_) => return Ok(entry),
        };
        Ok(None)
    }

    fn delete_if_time(&self, client: &Client, progress: &DrainProgress) -> Result<DrainState, Error> {
        let is_udp = self.service.protocol() == Some(Protocol::Udp);
        let is_drained = progress.active_connections == 0
            && (progress.inactive_connections == 0 || !(self.options.inactive || is_udp))
            && (progress.persistent_connections == 0 || !self.options.persistent);
        let state = match self.left() {
            _ if is_drained => DrainState::Drained,
            Some(Duration::ZERO) => DrainState::DeadlinePassed,
            _ => return Ok(DrainState::Waiting),
        };
        let was_there = client.remove_destination(&self.service, &self.destination.address)?;
        Ok(if was_there { state } else { DrainState::Gone })
    }

    /// Restores the weight that it had, if it still waits, and says whether it did. A weight that somebody else gave it
    /// meanwhile stays. After an error it still waits.
    pub fn cancel(&mut self, client: &Client) -> Result<bool, Error> {
        if self.state != DrainState::Waiting {
            return Ok(false);
        }
        let Some(entry) = self.look(client)? else { return Ok(false) };
        let weight = self.weight_before();
        self.destination = entry.destination.with_weight(weight);
        match client.edit_weight(&self.service, self.destination.clone(), weight) {
            Err(Error { kind: ErrorKind::NoSuchService | ErrorKind::NoSuchDestination, .. }) => {
                self.state = DrainState::Gone;
                Ok(false)
            }
            result => {
                result?;
                self.state = DrainState::Cancelled;
                Ok(true)
            }
        }
    }
}
