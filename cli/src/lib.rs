//! The programs `ipvsadm`, `ipvsadm-save` and `ipvsadm-restore`. What the arguments mean and what may be asked is core's;
//! here are the listings' forms, names for numbers, restoring, and the exit status.

mod apply;
mod completions;
mod drain;
mod help;
mod hint;
mod json;
mod line;
mod list;
mod log;
mod manual;
mod names;
mod order;
mod restore;
mod save;
mod start;
mod table;
mod watch;

use std::fmt::Display;
use std::io::{self, BufWriter, Write};
use std::process;
use std::thread;

use ipvs_core::rules::options::{CommandSpec, Name};
use ipvs_core::rules::{self, Call, Generated, Invocation, RuleError, RuleErrorKind};
use ipvs_core::{Client, Error, ErrorKind};

use crate::hint::hint;
use crate::log::Log;
use crate::names::Names;

/// The exit statuses of Debian's ipvsadm 1.31.
const LISTING_FAILED: u8 = 1;
const ARGUMENTS_REFUSED: u8 = 2;
const FAILED: u8 = 255;

/// `--apply` had nothing to do.
const UNCHANGED: u8 = 3;

/// Room for a thread, in bytes: what the standard library gives by itself.
const STACK: usize = 2 << 20;

/// How much of a listing is written at once, in bytes.
const BLOCK: usize = 32 * 1024;

/// One of the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `ipvsadm`: any command.
    Ipvsadm,
    /// `ipvsadm-save`: `ipvsadm -S`.
    Save,
    /// `ipvsadm-restore`: `ipvsadm -R` into an empty table.
    Restore,
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::Ipvsadm => "ipvsadm",
            Self::Save => "ipvsadm-save",
            Self::Restore => "ipvsadm-restore",
        }
    }

    /// The only command that it has.
    fn command(self) -> Option<&'static CommandSpec> {
        match self {
            Self::Ipvsadm => None,
            Self::Save => Name::Save.command(),
            Self::Restore => Name::Restore.command(),
        }
    }

    fn report(self, what: &dyn Display) {
        // In one piece: standard error has no buffer. Nothing is left to be done when it cannot be written either.
        let _ = io::stderr().write_all(format!("{}: {what}\n", self.name()).as_bytes());
    }

    fn rule_status(self, error: &RuleError) -> u8 {
        match (self, error.kind) {
            (Self::Save, _) => LISTING_FAILED,
            (_, RuleErrorKind::Refused) => ARGUMENTS_REFUSED,
            (_, RuleErrorKind::Syntax) => FAILED,
        }
    }
}

/// Runs the program with the arguments of the process, and ends it at once: what is left of it goes with it.
pub fn main(program: Program) -> ! {
    let status = match start::open_standard_streams() {
        Ok(()) => status(program),
        Err(_) => FAILED,
    };
    process::exit(status.into())
}

/// Runs the program; says with which exit status.
fn status(program: Program) -> u8 {
    let arguments = std::env::args_os().skip(1);
    let names = Names::default();
    let call = match program.command() {
        Some(command) => rules::parse_command(command, arguments, &names),
        None => rules::parse(arguments, &names),
    };
    let call = match call {
        Ok(call) => call,
        Err(error) => {
            let help = if error.kind == RuleErrorKind::Syntax { "; see ipvsadm --help" } else { "" };
            program.report(&format_args!("{error}{help}"));
            return program.rule_status(&error);
        }
    };
    let mut output = BufWriter::with_capacity(BLOCK, io::stdout().lock());
    let done = run(program, &call, &names, &mut output);
    // What was written before it failed is written.
    let done = done.and_then(|()| Ok(output.flush()?));
    let Err(failure) = done else { return 0 };
    let (what, status) = match failure {
        // Whoever read us has had enough.
        Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return 0,
        Failure::Reported(status) => return status,
        Failure::Ipvs(error) => {
            let status = match (&error.kind, &call.invocation) {
                // 1.31 finds the first two out before it looks at its arguments. The third is what only a table as a
                // whole shows, such as a service outside the scope.
                (ErrorKind::PermissionDenied(_) | ErrorKind::Unavailable | ErrorKind::InvalidArgument(_), _) => {
                    ARGUMENTS_REFUSED
                }
                (_, Invocation::List(_) | Invocation::Watch { .. }) => LISTING_FAILED,
                _ => FAILED,
            };
            (format!("{error}{}", hint(&error, &call.options)), status)
        }
        Failure::Output(error) => (format!("cannot write the output: {}", plain(&error)), FAILED),
        Failure::Input(error) => (format!("cannot read the rules: {}", plain(&error)), FAILED),
        Failure::File(path, error) => (format!("cannot write '{path}': {}", plain(&error)), FAILED),
    };
    program.report(&what);
    status
}

/// A thread whose room is not what `RUST_MIN_STACK` says.
fn new_thread() -> thread::Builder {
    thread::Builder::new().stack_size(STACK)
}

/// The system's text without the number behind it, and without the name of a file that is only for a moment.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error ").next().unwrap_or(&text).to_owned()
}

/// Why a command that was understood failed.
enum Failure {
    Ipvs(Error),
    /// Reading the rules.
    Input(io::Error),
    /// Writing to standard output.
    Output(io::Error),
    /// Writing this file.
    File(String, io::Error),
    /// What failed is told already, and this is the exit status.
    Reported(u8),
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

fn run(program: Program, call: &Call, names: &Names, output: &mut impl Write) -> Result<(), Failure> {
    match &call.invocation {
        Invocation::Help => return Ok(help::write(program, output)?),
        Invocation::Version => return Ok(help::write_version(program, output)?),
        Invocation::Generate(what) => {
            let text = match what {
                Generated::Man => manual::page(),
                Generated::Bash => completions::bash(),
                Generated::Zsh => completions::zsh(),
                Generated::Fish => completions::fish(),
            };
            return Ok(output.write_all(text.as_bytes())?);
        }
        _ => {}
    }
    let client = Client::connect_with(&call.options)?;
    match &call.invocation {
        Invocation::Restore(how) => restore::restore(program, *how, (&client, &call.options), names, output),
        Invocation::Apply(how) => apply::apply(program, how, (&client, &call.options), names, output),
        Invocation::Watch { interval, json } => watch::watch(*interval, *json, &client, output),
        Invocation::SyncRole(daemon) => {
            if client.set_sync_role(daemon.as_ref())? {
                let role = daemon.as_ref().map(|daemon| format!("{} on {}", daemon.role, daemon.interface));
                Log::open(&call.options).tell(&format!("--sync-role: {}", role.as_deref().unwrap_or("none")));
            }
            Ok(())
        }
        Invocation::Drain(what) => drain::drain(program, what, &client, &call.options),
        invocation => run_line(invocation, &client, names, output),
    }
}

/// Runs what a line of a file of rules may be too.
fn run_line(invocation: &Invocation, client: &Client, names: &Names, output: &mut impl Write) -> Result<(), Failure> {
    match invocation {
        Invocation::Change(command) => Ok(client.run(command)?),
        Invocation::List(list) if list.json => json::write(list, client, names, output),
        Invocation::List(list) => list::write(list, client, names, output),
        Invocation::Save { numeric, output: None } => save::write(*numeric, client, names, output),
        Invocation::Save { numeric, output: Some(path) } => save::write_file(*numeric, client, names, path),
        // What is none of a line's.
        _ => Ok(()),
    }
}
