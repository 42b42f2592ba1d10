//! Takes a real server out softly. What is waited for is core's; here are the waiting, the line of its progress, signals and
//! the system's log.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ipvs_core::rules;
use ipvs_core::{Client, Command, Drain, DrainProgress, DrainState, Error, Options};
use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use crate::hint::hint;
use crate::log::Log;
use crate::restore::{end_at_once, not_ignored};
use crate::{FAILED, Failure, Program};

/// How often it is looked at.
const TICK: Duration = Duration::from_millis(200);

/// Drains the real server, and returns when it is gone.
pub(crate) fn drain(program: Program, what: &rules::Drain, client: &Client, options: &Options) -> Result<(), Failure> {
    let mut signals = signals().map_err(Failure::Input)?;
    let drain = client.drain(&what.service, &what.address, what.options.clone())?;
    let mut draining = Draining { program, what, client, drain, log: Log::open(options), bar: ProgressBar::hidden() };
    draining.log_weight(0, "begins");
    draining.show_progress();
    let mut before = None;
    loop {
        let progress = match draining.drain.step(client) {
            Ok(progress) => progress,
            Err(error) => return draining.failed(&error, options),
        };
        if progress.state != DrainState::Waiting {
            return draining.ended(&progress);
        }
        draining.tell(&progress, &mut before);
        thread::sleep(draining.drain.left().map_or(TICK, |left| left.min(TICK)));
        // That nobody reads what it says is no reason to end.
        if let Some(signal) = signals.pending().find(|signal| *signal != SIGPIPE) {
            return draining.interrupted(signal);
        }
    }
}

/// What ends it, the first one not at once; what it was started to ignore it ignores.
fn signals() -> io::Result<Signals> {
    let (heard, is_second) = (not_ignored([SIGHUP, SIGINT, SIGTERM, SIGPIPE])?, Arc::default());
    end_at_once(&heard, &is_second)?;
    for signal in heard.iter().filter(|signal| **signal != SIGPIPE) {
        flag::register(*signal, Arc::clone(&is_second))?;
    }
    Signals::new(heard)
}

/// One drain.
struct Draining<'a> {
    program: Program,
    what: &'a rules::Drain,
    client: &'a Client,
    drain: Drain,
    log: Log,
    bar: ProgressBar,
}

impl Draining<'_> {
    fn show_progress(&self) {
        if io::stderr().is_terminal() {
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                self.bar.set_style(style);
            }
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    /// Shows what is waited for on a terminal; where there is none and it was asked for, says it when it has changed.
    fn tell(&self, progress: &DrainProgress, before: &mut Option<DrainProgress>) {
        if self.bar.is_hidden() {
            if self.what.verbose && before.replace(*progress) != Some(*progress) {
                self.program.report(&format_args!("{self}: {}", Left(progress)));
            }
            return;
        }
        let left = self.drain.left().map(|left| format!(", {} s until the deadline", left.as_secs()));
        self.bar.set_message(format!("{self}: {}{}", Left(progress), left.unwrap_or_default()));
        self.bar.tick();
    }

    /// It waits no more.
    fn ended(&mut self, progress: &DrainProgress) -> Result<(), Failure> {
        self.bar.finish_and_clear();
        let (service, address) = (self.what.service, self.what.address);
        let (word, status) = match progress.state {
            DrainState::Waiting | DrainState::Drained => ("drained and deleted".to_owned(), 0),
            DrainState::DeadlinePassed => {
                (format!("the deadline passed, and it was deleted with {}", Left(progress)), 0)
            }
            DrainState::Gone => ("somebody else deleted it meanwhile".to_owned(), FAILED),
            DrainState::Overruled => ("somebody else gave it a weight again: it is left alone".to_owned(), FAILED),
            // Only `take_back` does that.
            DrainState::Cancelled => ("cancelled".to_owned(), FAILED),
        };
        if status == 0 {
            self.log.ran(&Command::DeleteDestination(service, address), &format!("--drain: {word}"));
        }
        if status != 0 || self.what.verbose {
            self.program.report(&format_args!("{self}: {word}"));
        }
        if status == 0 { Ok(()) } else { Err(Failure::Reported(status)) }
    }

    fn interrupted(self, signal: i32) -> Result<(), Failure> {
        self.bar.finish_and_clear();
        if io::stderr().is_terminal() {
            // Behind ^C.
            let _ = writeln!(io::stderr());
        }
        let program = self.program;
        let word = self.take_back("interrupted");
        program.report(&word);
        // No signal has a number above 64.
        Err(Failure::Reported(u8::try_from(128 + signal).unwrap_or(FAILED)))
    }

    fn failed(self, error: &Error, options: &Options) -> Result<(), Failure> {
        self.bar.finish_and_clear();
        let program = self.program;
        program.report(&format_args!("{error}{}", hint(error, options)));
        let word = self.take_back("failed");
        program.report(&word);
        Err(Failure::Reported(FAILED))
    }

    /// Restores the weight, and tells what became of that.
    fn take_back(mut self, why: &str) -> String {
        let weight = self.drain.weight_before();
        let about = self.to_string();
        match self.drain.cancel(self.client) {
            Ok(true) => {
                self.log_weight(weight, why);
                format!("{about}: {why}; its weight is {weight} again")
            }
            Ok(false) if self.drain.state() == DrainState::Overruled => {
                format!("{about}: {why}; somebody else gave it a weight again")
            }
            Ok(false) => format!("{about}: {why}; it is not there any more"),
            Err(error) => format!("{about}: {why}; its weight is still 0, and not {weight} again: {error}"),
        }
    }

    fn log_weight(&mut self, weight: u32, why: &str) {
        let destination = self.drain.destination().clone().with_weight(weight);
        self.log.ran(&Command::EditDestination(self.what.service, destination), &format!("--drain: {why}"));
    }
}

/// What is drained.
impl fmt::Display for Draining<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.what.address, self.what.service)
    }
}

/// The connections that are left.
struct Left<'a>(&'a DrainProgress);

impl fmt::Display for Left<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DrainProgress { active_connections, inactive_connections, persistent_connections, .. } = self.0;
        write!(
            f,
            "{active_connections} active, {inactive_connections} inactive and {persistent_connections} persistent connections"
        )
    }
}
