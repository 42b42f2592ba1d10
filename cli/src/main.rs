//! The command `ipvsadm`: runs one command of ipvsadm's language against the kernel. What the arguments mean and what
//! may be asked is core's; here are the listing's form, names for numbers, and the exit status.

mod help;
mod list;
mod names;

use std::io::{self, Write};
use std::process::ExitCode;

use ipvs_core::rules::{self, Command, RuleError};
use ipvs_core::{Client, Error};

/// The exit statuses of Debian's ipvsadm 1.31.
const LISTING_FAILED: u8 = 1;
const ARGUMENTS_REFUSED: u8 = 2;
const FAILED: u8 = 255;

fn main() -> ExitCode {
    let command = match rules::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            let status = match error {
                RuleError::Refused(_) => ARGUMENTS_REFUSED,
                RuleError::Syntax(_) => FAILED,
            };
            return fail(status, &error);
        }
    };
    let mut output = io::stdout().lock();
    match run(&command, &mut output).and_then(|()| Ok(output.flush()?)) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read us has had enough.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Failure::Output(error)) => fail(FAILED, &format_args!("cannot write the output: {error}")),
        Err(Failure::Ipvs(error)) if matches!(command, Command::List(_)) => fail(LISTING_FAILED, &error),
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

fn run(command: &Command, output: &mut impl Write) -> Result<(), Failure> {
    match command {
        Command::Help => help::write(output)?,
        Command::List(list) => list::write(list, &Client::connect()?, output)?,
        Command::AddService(service) => Client::connect()?.add_service(service)?,
        Command::EditService(service) => Client::connect()?.edit_service(service)?,
        Command::DeleteService(id) => Client::connect()?.delete_service(id)?,
        Command::Clear => Client::connect()?.flush()?,
        Command::AddDestination(id, destination) => Client::connect()?.add_destination(id, destination)?,
        Command::EditDestination(id, destination) => Client::connect()?.edit_destination(id, destination)?,
        Command::DeleteDestination(id, address) => Client::connect()?.delete_destination(id, address)?,
    }
    Ok(())
}
