//! Makes the table what rules describe. What it should be, how it is compared and what is sent is core's; here are the rules
//! from standard input, what is said of the result, and the system's log.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ipvs_core::rules::{Apply, RuleDisplay};
use ipvs_core::{Applied, Client, Command, Options, Table};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::hint::Hints;
use crate::log::Log;
use crate::names::Names;
use crate::restore::{Place, end_at_once, not_ignored, read_input, read_lines};
use crate::{FAILED, Failure, Program, UNCHANGED};

/// Applies the rules of standard input.
pub(crate) fn apply(
    program: Program,
    how: &Apply,
    (client, options): (&Client, &Options),
    names: &Names,
    output: &mut impl Write,
) -> Result<(), Failure> {
    // Whether it may is better known before the rules are read.
    client.info()?;
    let wanted = wanted_table(program, names)?;
    if how.dry_run {
        let plan = client.plan(&wanted, &how.options.scope)?;
        write!(output, "{plan}")?;
        return if plan.is_empty() { unchanged() } else { Ok(()) };
    }
    let is_over = finish_at_signal().map_err(Failure::Input)?;
    let applied = client.apply(&wanted, &how.options)?;
    log(&applied, how, options);
    is_over.store(true, Ordering::Release);
    report(program, how, &applied, options);
    if let Some(error) = applied.interrupted {
        return Err(error.into());
    }
    match (applied.failed.is_empty(), applied.done.is_empty()) {
        (false, _) => Err(Failure::Reported(FAILED)),
        (true, true) => unchanged(),
        (true, false) => Ok(()),
    }
}

/// Not a failure, but said by the exit status too.
fn unchanged() -> Result<(), Failure> {
    Err(Failure::Reported(UNCHANGED))
}

/// The table that the rules describe. The first line that is wrong is the end.
fn wanted_table(program: Program, names: &Names) -> Result<Table, Failure> {
    let text = read_input()?;
    let (lines, wrong) = read_lines(&text, names);
    if let Some((line, error)) = wrong.first() {
        program.report(&format_args!("{error}{}", Place(line, error)));
        return Err(Failure::Reported(program.rule_status(error)));
    }
    Table::wanted_by_lines(lines.into_iter().flatten()).map_err(|error| {
        program.report(&error);
        Failure::Reported(program.rule_status(&error))
    })
}

/// From here on a signal does not end the program, which would leave a part of the table applied and nothing said: it is as
/// good as done, since every wait for the kernel has an end, unless it was asked to have none. It ends the program again once
/// this is true, and only what was done is still to be told.
fn finish_at_signal() -> io::Result<Arc<AtomicBool>> {
    let is_over = Arc::default();
    end_at_once(&not_ignored([SIGHUP, SIGINT, SIGTERM])?, &is_over)?;
    Ok(is_over)
}

fn deletes(command: &Command) -> bool {
    matches!(command, Command::DeleteService(_) | Command::DeleteDestination(..))
}

fn log(applied: &Applied, how: &Apply, options: &Options) {
    if applied.is_changed() {
        log_all(applied, if how.options.rollback { "--apply --rollback" } else { "--apply" }, &mut Log::open(options));
    }
}

fn log_all(applied: &Applied, why: &str, log: &mut Log) {
    for command in &applied.done {
        log.ran(command, why);
    }
    for command in &applied.unknown {
        log.ran(command, &format!("{why}, whether it was done is not known"));
    }
    if let Some(back) = &applied.rollback {
        log_all(back, &format!("{why}, taken back"), log);
        if let Some(error) = back.first_error() {
            log.tell(&format!("{why}: not all is as before: {error}"));
        }
    }
}

/// Says what became of it: all of it if anything went wrong.
fn report(program: Program, how: &Apply, applied: &Applied, options: &Options) {
    if applied.is_done() && !how.verbose {
        return;
    }
    let tell = |commands: &[Command], what: &str| {
        for command in commands {
            program.report(&format_args!("{}: {what}", RuleDisplay(command)));
        }
    };
    tell(&applied.done, "done");
    let mut hints = Hints::new(options);
    for (command, error) in &applied.failed {
        program.report(&format_args!("{}: {error}{}", RuleDisplay(command), hints.new_of(error)));
    }
    tell(&applied.unknown, "whether it was done is not known");
    tell(&applied.not_sent, "not sent");
    let (done, failed, not_sent) = (applied.done.len(), applied.failed.len(), applied.not_sent.len());
    if failed + not_sent + applied.unknown.len() > 0 {
        program.report(&format_args!("{done} done, {failed} refused, {not_sent} not sent"));
    } else {
        program.report(&format_args!("{done} done"));
    }
    if let Some(back) = applied.rollback.as_ref().filter(|_| applied.is_changed()) {
        let word = match back.first_error() {
            None if applied.done.iter().any(deletes) => {
                "the settings from before are restored; what had been deleted has new counters".to_owned()
            }
            None => "the settings from before are restored".to_owned(),
            Some(error) => format!("the settings from before are not restored: {error}"),
        };
        program.report(&word);
    }
}
