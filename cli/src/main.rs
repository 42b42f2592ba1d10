//! The command `ipvsadm`: runs one command of ipvsadm's language against the kernel. What the arguments mean and what
//! may be asked is core's; here are the listings' forms, names for numbers, restoring, and the exit status.

mod help;
mod list;
mod names;
mod order;
mod restore;

use std::fmt::Display;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use ipvs_core::rules::{self, Invocation, RuleError, RuleErrorKind};
use ipvs_core::{Client, Error};

use crate::names::Names;

/// The exit statuses of Debian's ipvsadm 1.31.
const LISTING_FAILED: u8 = 1;
const ARGUMENTS_REFUSED: u8 = 2;
const FAILED: u8 = 255;

fn main() -> ExitCode {
    let invocation = match rules::parse(std::env::args_os().skip(1), &Names) {
        Ok(invocation) => invocation,
        Err(error) => {
            report(&error);
            return ExitCode::from(rule_status(&error));
        }
    };
    let mut output = BufWriter::new(io::stdout().lock());
    let done = match invocation {
        Invocation::Help => help::write(&mut output).map_err(Failure::from),
        Invocation::Version => help::write_version(&mut output).map_err(Failure::from),
        _ => Client::connect().map_err(Failure::from).and_then(|client| run(&invocation, &client, &mut output)),
    };
    // What was written before it failed is written.
    let done = done.and_then(|()| Ok(output.flush()?));
    let status = match &done {
        Ok(()) => return ExitCode::SUCCESS,
        // Whoever read us has had enough.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
        Err(Failure::Ipvs(_)) if matches!(invocation, Invocation::List(_)) => LISTING_FAILED,
        Err(Failure::Rule(error)) => rule_status(error),
        Err(_) => FAILED,
    };
    match done {
        Err(Failure::Ipvs(error)) => report(&error),
        Err(Failure::Rule(error)) => report(&error),
        Err(Failure::Output(error)) => report(&format_args!("cannot write the output: {error}")),
        Err(Failure::Input(error)) => report(&format_args!("cannot read the rules: {error}")),
        Err(Failure::Reported) | Ok(()) => {}
    }
    ExitCode::from(status)
}

fn rule_status(error: &RuleError) -> u8 {
    match error.kind {
        RuleErrorKind::Refused => ARGUMENTS_REFUSED,
        RuleErrorKind::Syntax => FAILED,
    }
}

fn report(what: &dyn Display) {
    // Nothing is left to be done when this cannot be written either.
    let _ = writeln!(io::stderr(), "ipvsadm: {what}");
}

/// Why a command that was understood failed.
enum Failure {
    Ipvs(Error),
    /// A line of the rules is none.
    Rule(RuleError),
    Input(io::Error),
    Output(io::Error),
    /// What failed is told already.
    Reported,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Ipvs(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Runs what needs the kernel.
fn run(invocation: &Invocation, client: &Client, output: &mut impl Write) -> Result<(), Failure> {
    match invocation {
        Invocation::List(list) => list::write(list, client, output)?,
        Invocation::Save { numeric } => list::save(*numeric, client, output)?,
        Invocation::Change(command) => client.run(command)?,
        Invocation::Help => help::write(output)?,
        Invocation::Version => help::write_version(output)?,
        Invocation::Restore => restore::restore(client, output)?,
    }
    Ok(())
}
