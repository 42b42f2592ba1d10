//! The command `ipvsadm`: runs one command of ipvsadm's language against the kernel. What the arguments mean and what
//! may be asked is core's; here are the listing's form, names for numbers, and the exit status.

mod help;
mod list;
mod names;

use std::io::{self, Write};
use std::process::ExitCode;

use ipvs_core::rules::{self, Invocation, RuleErrorKind};
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
            let status = match error.kind {
                RuleErrorKind::Refused => ARGUMENTS_REFUSED,
                RuleErrorKind::Syntax => FAILED,
            };
            return fail(status, &error);
        }
    };
    let mut output = io::stdout().lock();
    match run(&invocation, &mut output).and_then(|()| Ok(output.flush()?)) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read us has had enough.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Failure::Output(error)) => fail(FAILED, &format_args!("cannot write the output: {error}")),
        Err(Failure::Ipvs(error)) if matches!(invocation, Invocation::List(_)) => fail(LISTING_FAILED, &error),
        Err(Failure::Ipvs(error)) => fail(FAILED, &error),
    }
}

fn fail(status: u8, error: &dyn std::fmt::Display) -> ExitCode {
    // Nothing is left to be done when this cannot be written either.
    let _ = writeln!(io::stderr(), "ipvsadm: {error}");
    ExitCode::from(status)
}

/// Why a command that was understood failed.
enum Failure {
    Ipvs(Error),
    Output(io::Error),
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

fn run(invocation: &Invocation, output: &mut impl Write) -> Result<(), Failure> {
    match invocation {
        Invocation::Help => help::write(output)?,
        Invocation::List(list) => list::write(list, &Client::connect()?, output)?,
        Invocation::Change(command) => Client::connect()?.run(command)?,
    }
    Ok(())
}
