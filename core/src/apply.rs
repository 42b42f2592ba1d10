//! Making the kernel's table what it should be: what is not there is added, what differs is edited, what is too much is
//! deleted, and what is right is left alone.

use std::collections::BTreeSet;

use crate::{
    Client, Command, Error, ErrorKind, InvalidArgument, Operation, OtherWriter, Outcome, Plan, Report, Scope,
    ScopePart, Table,
};

/// How often a table that others change meanwhile is looked at.
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
    /// What was not sent: when something that adds was refused, what takes away from the same service and every deletion of a
    /// service; and what came after an interruption.
    pub not_sent: Vec<Command>,
    /// What ended it before its end, if anything did.
    pub interrupted: Option<Error>,
    /// What became of restoring the settings from before, where that was asked for and needed.
    pub rollback: Option<Box<Self>>,
    /// Who else may have changed the services of a pool: the programs known for it that run in the network namespace. They are
    /// looked for by [`adopt`](Client::adopt), and by [`reconcile`](Client::reconcile) when it found drift.
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

    /// Runs a plan whose commands need no check, and takes in what became of it. What adds comes first. Where some of it was
    /// refused, nothing is taken away from the same service, and no service is deleted, as another may be in its place.
    fn run(&mut self, client: &Client, plan: Plan) {
        let report = client.send(&plan.additions);
        self.take(plan.additions, report);
        let refused: BTreeSet<_> = self.failed.iter().filter_map(|(command, _)| command.service()).collect();
        let is_held = |command: &Command| {
            let is_deletion = matches!(command, Command::DeleteService(_)) && !refused.is_empty();
            self.interrupted.is_some() || is_deletion || command.service().is_some_and(|id| refused.contains(&id))
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

    /// Runs a plan that makes the table what it should be, and looks again while others change it.
    fn pursue(&mut self, client: &Client, plan: Plan, wanted: &Table, scope: &Scope) {
        self.run(client, plan);
        for _ in 1..ROUNDS {
            if self.is_done() || !self.is_overtaken() {
                break;
            }
            match client.current_table(scope) {
                Ok(now) => {
                    self.failed.clear();
                    self.not_sent.clear();
                    self.run(client, now.plan_to(wanted));
                }
                Err(error) => self.interrupted = Some(error),
            }
        }
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

/// The commands that would make the table what it should be.
pub(crate) fn plan(client: &Client, wanted: &Table, scope: &Scope) -> Result<Plan, Error> {
    check(wanted, scope)?;
    Ok(client.current_table(scope)?.plan_to(wanted))
}

/// Makes the table what it should be.
pub(crate) fn apply(client: &Client, wanted: &Table, options: &ApplyOptions) -> Result<Applied, Error> {
    check(wanted, &options.scope)?;
    let before = client.current_table(&options.scope)?;
    let mut applied = Applied::default();
    applied.pursue(client, before.plan_to(wanted), wanted, &options.scope);
    if options.rollback && !applied.is_done() {
        applied.rollback = Some(Box::new(roll_back(client, &before, &applied, &options.scope)));
    }
    Ok(applied)
}

/// Runs a plan that makes a pool's services what they should be. Services that the plan deletes are deleted also if others
/// changed the table meanwhile.
pub(crate) fn follow(client: &Client, plan: &Plan, wanted: &Table, scope: Scope) -> Result<Applied, Error> {
    for command in plan.commands() {
        command.check().map_err(|argument| Error::new(command.operation(), argument))?;
    }
    let deleted = plan.removals.iter().filter_map(|command| match command {
        Command::DeleteService(id) => Some(ScopePart::Service(*id)),
        _ => None,
    });
    let mut applied = Applied::default();
    applied.pursue(client, plan.clone(), wanted, &scope.with(deleted));
    Ok(applied)
}

/// Restores what was changed, and nothing else: what a listing missed before was not ours to delete.
fn roll_back(client: &Client, before: &Table, applied: &Applied, scope: &Scope) -> Applied {
    let mut back = Applied::default();
    let changed = || applied.done.iter().chain(&applied.unknown);
    // A service brings its destinations along.
    let is_whole = |command: &&Command| matches!(command, Command::AddService(_) | Command::DeleteService(_));
    let services: BTreeSet<_> = changed().filter(is_whole).filter_map(Command::service).collect();
    let objects: BTreeSet<_> = changed().map(|command| (command.service(), command.destination())).collect();
    let is_ours = |command: &Command| {
        command.service().is_some_and(|id| services.contains(&id))
            || objects.contains(&(command.service(), command.destination()))
    };
    match client.current_table(scope) {
        Ok(now) => {
            let mut plan = now.plan_to(before);
            plan.additions.retain(is_ours);
            plan.removals.retain(is_ours);
            back.run(client, plan);
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
