//! Making the kernel's table what it should be: what is not there is added, what differs is edited, what is too much is
//! deleted, and what is right is left alone.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::{
    Client, Command, Destination, Error, ErrorKind, InvalidArgument, Operation, OtherWriter, Outcome, Plan, Report,
    Scope, ServiceId, Table,
};

/// How often a table that others change meanwhile is looked at, the first time included.
const ROUNDS: u32 = 5;

/// How to apply a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ApplyOptions {
    /// Which services are ours; the others are never touched.
    pub scope: Scope,
    /// Whether the settings from before are restored when something is refused. What was deleted comes back without its
    /// counters.
    pub rollback: bool,
}

impl ApplyOptions {
    /// The same options with a scope.
    #[must_use]
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// The same options with or without going back.
    #[must_use]
    pub fn with_rollback(mut self, rollback: bool) -> Self {
        self.rollback = rollback;
        self
    }
}

/// What became of a table that was applied.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Applied {
    /// What was done, in order. Nothing, if the table was right already.
    pub done: Vec<Command>,
    /// What the kernel refused, and why.
    pub failed: Vec<(Command, Error)>,
    /// What was sent, and whether it was done is not known.
    pub unknown: Vec<Command>,
    /// What was not sent: what takes away, where something that adds was refused and nobody would be left to answer; and what
    /// came after an interruption.
    pub not_sent: Vec<Command>,
    /// What ended it before its end, if anything did.
    pub interrupted: Option<Error>,
    /// What became of restoring the settings from before, where that was asked for and needed.
    pub rollback: Option<Box<Self>>,
    /// Who else may have changed the table: the programs known for it that run in the network namespace. They are looked for by
    /// [`adopt`](Client::adopt), by [`reconcile`](Client::reconcile) when it found drift, and when somebody else's changes were in
    /// the way each time.
    pub other_writers: Vec<OtherWriter>,
}

impl Applied {
    /// Whether the table is what it should be.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.failed.is_empty() && self.interrupted.is_none()
    }

    /// Whether anything was changed, or may have been.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        !self.done.is_empty() || !self.unknown.is_empty()
    }

    /// What went wrong first: what the kernel refused, or what ended it.
    #[must_use]
    pub fn first_error(&self) -> Option<&Error> {
        self.failed.first().map(|(_, error)| error).or(self.interrupted.as_ref())
    }

    /// Runs what makes the table what it should be, and takes in what became of it. What adds comes first. Where some of that
    /// was refused, what takes away is held back if nobody would be left to answer: in the same service, unless another server
    /// of it that is wanted is there with a weight, and in a whole service, while one that is new is not there.
    fn run(&mut self, client: &Client, now: &Table, plan: Plan, wanted: &Table) {
        let report = client.send(&plan.additions);
        self.take(plan.additions, report);
        // An edit of a service that is refused leaves it as it was.
        let refused: BTreeSet<_> = self
            .failed
            .iter()
            .filter(|(command, _)| !matches!(command, Command::EditService(_)))
            .filter_map(|(command, _)| command.service())
            .collect();
        let failed: BTreeSet<_> = self.failed.iter().map(|(command, _)| object(command)).collect();
        // It is not there, or nobody answers in it although somebody should.
        let is_lacking = |id: &ServiceId| {
            let is_there = now.has_service(id) || !failed.contains(&(Some(*id), None));
            let mut active = wanted.destinations(id).filter(|destination| destination.weight > 0).peekable();
            let is_served = |destination: &Destination| {
                let before = now.destination(id, &destination.address).is_some_and(|before| before.weight > 0);
                before || !failed.contains(&(Some(*id), Some(destination.address)))
            };
            !is_there || active.peek().is_some() && !active.any(is_served)
        };
        let was_served = |id: &ServiceId| now.destinations(id).any(|destination| destination.weight > 0);
        let is_held = |command: &Command| match (command, command.service()) {
            _ if self.interrupted.is_some() => true,
            // What is held back in another service goes on answering there.
            (Command::DeleteService(_), _) => refused.iter().any(|id| is_lacking(id) && !was_served(id)),
            (_, id) => id.is_some_and(|id| refused.contains(&id) && is_lacking(&id)),
        };
        let (held, removals): (Vec<_>, Vec<_>) = plan.removals.into_iter().partition(is_held);
        self.not_sent.extend(held);
        let report = client.send(&removals);
        self.take(removals, report);
    }

    fn take(&mut self, commands: Vec<Command>, report: Report) {
        let place_of = |outcome| match outcome {
            Outcome::Done => 0,
            Outcome::Failed(_) => 1,
            Outcome::Unknown => 2,
            Outcome::NotSent => 3,
        };
        let places: Vec<_> = report.outcomes().map(place_of).collect();
        let mut errors = report.failed.into_iter().map(|(_, error)| error);
        for (command, place) in commands.into_iter().zip(places) {
            match place {
                0 => self.done.push(command),
                1 => self.failed.extend(errors.next().map(|error| (command, error))),
                2 => self.unknown.push(command),
                _ => self.not_sent.push(command),
            }
        }
        self.interrupted = self.interrupted.take().or(report.interrupted);
    }

    /// Makes the table what it should be, and looks again while others change it. Gives what was there before.
    fn pursue(&mut self, client: &Client, wanted: &Table, scope: &Scope) -> Result<Table, Error> {
        let mut now = client.current_table(scope)?;
        let mut before = now.clone();
        let mut more = 1..ROUNDS;
        loop {
            self.failed.clear();
            self.not_sent.clear();
            let plan = now.plan_to(wanted);
            self.run(client, &now, plan, wanted);
            if self.is_done() || !self.is_overtaken() {
                return Ok(before);
            }
            if more.next().is_none() {
                break;
            }
            match client.current_table(scope) {
                Ok(again) => now = again,
                Err(error) => {
                    self.interrupted = Some(error);
                    return Ok(before);
                }
            }
            // What somebody else has added since then, and what the first look missed.
            let added = self.added();
            before.add_missing(&now, |command| added.contains(&object(command)));
        }
        self.find_others(client);
        Ok(before)
    }

    /// What was added, or may have been.
    fn added(&self) -> BTreeSet<Object> {
        let is_addition = |command: &&Command| matches!(command, Command::AddService(_) | Command::AddDestination(..));
        self.done.iter().chain(&self.unknown).filter(is_addition).map(object).collect()
    }

    /// Where `/proc` cannot be read, nobody else is known.
    pub(crate) fn find_others(&mut self, client: &Client) {
        self.other_writers = client.other_writers().unwrap_or_default();
    }

    /// Whether all that was refused is as if somebody else had changed the table meanwhile.
    fn is_overtaken(&self) -> bool {
        let by_others = |error: &Error| {
            matches!(
                error.kind,
                ErrorKind::ServiceExists
                    | ErrorKind::NoSuchService
                    | ErrorKind::DestinationExists
                    | ErrorKind::NoSuchDestination
            )
        };
        self.interrupted.is_none() && self.failed.iter().all(|(_, error)| by_others(error))
    }
}

/// What a command is about: a service, or a destination of it.
type Object = (Option<ServiceId>, Option<SocketAddr>);

fn object(command: &Command) -> Object {
    (command.service(), command.destination())
}

/// The commands that would make the table what it should be.
pub(crate) fn plan(client: &Client, wanted: &Table, scope: &Scope) -> Result<Plan, Error> {
    check(wanted, scope)?;
    Ok(client.current_table(scope)?.plan_to(wanted))
}

/// Makes the table what it should be.
pub(crate) fn apply(client: &Client, wanted: &Table, options: &ApplyOptions) -> Result<Applied, Error> {
    check(wanted, &options.scope)?;
    let mut applied = Applied::default();
    let before = applied.pursue(client, wanted, &options.scope)?;
    if options.rollback && !applied.is_done() {
        applied.rollback = Some(Box::new(roll_back(client, &before, &applied, &options.scope)));
    }
    Ok(applied)
}

/// Restores what was changed, and nothing else: what was not added is not deleted.
fn roll_back(client: &Client, before: &Table, applied: &Applied, scope: &Scope) -> Applied {
    // An old kernel takes a tunnel of another kind, and makes an IPIP one of it.
    let ignored = applied.failed.iter().filter(|(_, error)| matches!(error.kind, ErrorKind::TunnelIgnored));
    let changed = || applied.done.iter().chain(&applied.unknown).chain(ignored.clone().map(|(command, _)| command));
    let added = applied.added();
    let touched: BTreeSet<_> = changed().map(object).collect();
    // A service that was deleted brings its destinations along.
    let is_deletion = |command: &&Command| matches!(command, Command::DeleteService(_));
    let deleted: BTreeSet<_> = changed().filter(is_deletion).map(Command::service).collect();
    let mut back = Applied::default();
    match client.current_table(scope) {
        Ok(now) => {
            let mut plan = now.plan_to(before);
            plan.additions.retain(|command| touched.contains(&object(command)) || deleted.contains(&command.service()));
            plan.removals.retain(|command| match command {
                Command::DeleteService(_) | Command::DeleteDestination(..) => added.contains(&object(command)),
                _ => touched.contains(&object(command)),
            });
            back.run(client, &now, plan, before);
        }
        Err(error) => back.interrupted = Some(error),
    }
    back
}

fn check(wanted: &Table, scope: &Scope) -> Result<(), Error> {
    let wrong = |argument| Error::new(Operation::Apply, argument);
    wanted.check().map_err(wrong)?;
    for (service, _) in wanted.services() {
        if !scope.contains(&service.id) {
            let reason = format!("the service {} is not in it; add it to the scope, or leave it out", service.id);
            return Err(wrong(InvalidArgument::new("scope", reason)));
        }
    }
    Ok(())
}
