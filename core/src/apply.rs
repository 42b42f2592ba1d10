//! Making the kernel's table what it should be: what is not there is added, what differs is edited, what is too much is
//! deleted, and what is right is left alone.

use crate::{Client, Command, Error, ErrorKind, InvalidArgument, Operation, Outcome, Plan, Report, Scope, Table};

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
    /// What was not sent: what takes away, when something that adds was refused, and what came after an interruption.
    pub not_sent: Vec<Command>,
    /// What ended it before its end, if anything did.
    pub interrupted: Option<Error>,
    /// Whether the settings from before are back, where that was asked for and needed: the error why not.
    pub rolled_back: Option<Result<(), Error>>,
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

    /// Runs a plan and takes in what became of it. What adds comes first; what takes away is only sent if all of that was
    /// done.
    fn run(&mut self, client: &Client, plan: Plan) -> Result<(), Error> {
        for commands in [plan.additions, plan.removals] {
            if self.is_done() {
                let report = client.batch(&commands)?;
                self.take(commands, report);
            } else {
                self.not_sent.extend(commands);
            }
        }
        Ok(())
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
        self.interrupted = report.interrupted;
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
    let mut applied = follow(client, before.plan_to(wanted), wanted, &options.scope)?;
    if options.rollback && !applied.is_done() {
        applied.rolled_back = Some(roll_back(client, &before, &options.scope));
    }
    Ok(applied)
}

/// Runs a plan that makes the table what it should be, and looks again while others change it.
pub(crate) fn follow(client: &Client, plan: Plan, wanted: &Table, scope: &Scope) -> Result<Applied, Error> {
    let mut applied = Applied::default();
    applied.run(client, plan)?;
    for _ in 1..ROUNDS {
        if applied.is_done() || !applied.is_overtaken() {
            break;
        }
        let plan = match client.current_table(scope) {
            Ok(now) => now.plan_to(wanted),
            Err(error) => {
                applied.interrupted = Some(error);
                break;
            }
        };
        applied.failed.clear();
        applied.not_sent.clear();
        applied.run(client, plan)?;
    }
    Ok(applied)
}

fn roll_back(client: &Client, before: &Table, scope: &Scope) -> Result<(), Error> {
    let mut back = Applied::default();
    back.run(client, client.current_table(scope)?.plan_to(before))?;
    match back.failed.into_iter().map(|(_, error)| error).next().or(back.interrupted) {
        Some(error) => Err(error),
        None => Ok(()),
    }
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
