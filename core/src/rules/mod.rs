//! ipvsadm's command language: what its arguments and the lines of a saved table mean, and how a table is written so.
//!
//! Arguments are read by one table ([`options`]) and become one [`Invocation`] of objects that have been checked. Names
//! of hosts and services are resolved by whoever calls. What [`print()`] writes, [`parse_rules`] reads.

pub mod options;
mod parse;
mod print;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use thiserror::Error as ThisError;

use crate::{ApplyOptions, Command, DrainOptions, Family, Options, Protocol, ServiceId, SyncDaemon};

pub use parse::{parse, parse_changes, parse_command, parse_line, parse_rules};
pub use print::{NamedRule, RuleDisplay, print};

/// One call of ipvsadm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What it asks for.
    pub invocation: Invocation,
    /// `--netns` and `--wait`: how to connect.
    pub options: Options,
}

/// What one call of ipvsadm asks for, complete and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    /// A change to the table.
    Change(Command),
    /// `-L`: list.
    List(List),
    /// `-S`: write the table as rules.
    Save {
        /// `-n`: numbers instead of names.
        numeric: bool,
        /// `--output`: the file to write to.
        output: Option<String>,
    },
    /// `-R`: run the rules of standard input.
    Restore(Restore),
    /// `--apply`: make the table what the rules of standard input describe.
    Apply(Apply),
    /// `--drain`: take a real server out softly.
    Drain(Drain),
    /// `--watch`: write each change of the table.
    Watch {
        /// `--interval`: how often it is read.
        interval: Duration,
        /// `--json`: as JSON Lines.
        json: bool,
    },
    /// `--sync-role`: run this synchronisation daemon and no other, or none.
    SyncRole(Option<SyncDaemon>),
    /// `-h`: show the help.
    Help,
    /// `-v`: show the version.
    Version,
    /// `--generate`: write something made from the option table.
    Generate(Generated),
}

/// How to run the rules of standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Restore {
    /// `--keep-going`: leave out lines that are no rules.
    pub keep_going: bool,
    /// `--stream`: run each line as it arrives.
    pub stream: bool,
    /// `--verbose`: say at the end what was done.
    pub verbose: bool,
}

/// How to apply the rules of standard input.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Apply {
    /// `--scope` and `--rollback`.
    pub options: ApplyOptions,
    /// `--dry-run`: write the plan, and do nothing.
    pub dry_run: bool,
    /// `--verbose`: say what was done.
    pub verbose: bool,
}

/// Which real server to take out, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drain {
    /// The service that has it.
    pub service: ServiceId,
    /// `-r`: its address.
    pub address: SocketAddr,
    /// `--deadline`, `--inactive` and `--persistent`.
    pub options: DrainOptions,
    /// `--verbose`: say what is waited for.
    pub verbose: bool,
}

/// What is made from the option table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generated {
    /// The manual page.
    Man,
    /// Completions for bash.
    Bash,
    /// Completions for zsh.
    Zsh,
    /// Completions for fish.
    Fish,
}

/// What to list, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct List {
    /// What to list.
    pub what: Listed,
    /// `-n`: numbers instead of names.
    pub numeric: bool,
    /// `--nosort`: in the kernel's order.
    pub nosort: bool,
    /// `--json`: as JSON.
    pub json: bool,
}

/// What to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// The table.
    Table {
        /// Only this service.
        service: Option<ServiceId>,
        /// What of it.
        columns: Columns,
    },
    /// `-c`: the connections.
    Connections {
        /// `--persistent-conn`: with what the persistence engine knows.
        persistence: bool,
    },
    /// `--timeout`: how long idle connections are remembered.
    Timeouts,
    /// `--daemon`: the synchronisation daemons.
    Daemons,
}

impl Default for Listed {
    fn default() -> Self {
        Self::Table { service: None, columns: Columns::default() }
    }
}

/// What of the table is listed. Where several are asked for, it is the first of this order from `Stats` on, as in 1.31.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Columns {
    /// Forwarding method, weight and connections.
    #[default]
    Plain,
    /// `--stats`: counters.
    Stats {
        /// `--exact`: in full.
        exact: bool,
    },
    /// `--rate`: how fast the counters grow.
    Rate {
        /// `--exact`: in full.
        exact: bool,
    },
    /// `--thresholds`: limits on connections.
    Thresholds,
    /// `--persistent-conn`: clients that stay.
    Persistence,
    /// `--tun-info`: kinds of tunnels.
    Tunnels,
}

/// One line of a file of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number in the file, from 1.
    pub number: usize,
    /// What it asks for.
    pub invocation: Invocation,
}

impl Line {
    /// The change that it asks for, with its number; an error if it asks for something else.
    pub(crate) fn into_change(self) -> Result<(usize, Command), RuleError> {
        match self.invocation {
            Invocation::Change(command) => Ok((self.number, command)),
            _ => Err(RuleError::of_line(
                self.number,
                "this changes nothing; only commands that change the table go here",
            )),
        }
    }
}

/// Turns names into numbers. What is a number already it is not asked about.
pub trait Resolver {
    /// The address of a host, of this family if one is given. What looks like a number in another form than usual, such
    /// as `127.1`, is a name here.
    fn host(&self, name: &str, family: Option<Family>) -> Option<IpAddr>;
    /// The port of a service, by its name in `/etc/services`.
    fn port(&self, name: &str, protocol: Protocol) -> Option<u16>;
    /// What is said of a name that it does not know, such as "no such name is known".
    fn on_unknown(&self) -> &'static str;
}

/// Turns numbers into names, for people.
pub trait Namer {
    /// Writes an address and its port; without a protocol the port has no name.
    fn write(&self, out: &mut dyn fmt::Write, address: SocketAddr, protocol: Option<Protocol>) -> fmt::Result;
}

/// Knows no names: everything is a number, and has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Numeric;

impl Namer for Numeric {
    fn write(&self, out: &mut dyn fmt::Write, address: SocketAddr, _: Option<Protocol>) -> fmt::Result {
        let SocketAddr::V4(address) = address else { return write!(out, "{address}") };
        // As the standard library does, but in a tenth of the time: listings and rules are full of them.
        let mut number = itoa::Buffer::new();
        let [first, rest @ ..] = address.ip().octets();
        out.write_str(number.format(first))?;
        for octet in rest {
            out.write_char('.')?;
            out.write_str(number.format(octet))?;
        }
        out.write_char(':')?;
        out.write_str(number.format(address.port()))
    }
}

impl Resolver for Numeric {
    fn host(&self, _: &str, _: Option<Family>) -> Option<IpAddr> {
        None
    }
    fn port(&self, _: &str, _: Protocol) -> Option<u16> {
        None
    }
    fn on_unknown(&self) -> &'static str {
        "names are not looked up here ('ipvsadm -S -n' saves numbers)"
    }
}

/// The longest message of an error, in characters.
const MESSAGE_MAX: usize = 400;

/// Whether arguments are no option at all, or options that do not make a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleErrorKind {
    /// There is no such option or command, or a value is missing or too much.
    Syntax,
    /// The options are known but do not make a command.
    Refused,
}

/// Why arguments are no command. Nothing was done.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[error("{}{message}", place(*line, *column))]
#[non_exhaustive]
pub struct RuleError {
    /// What is wrong in principle.
    pub kind: RuleErrorKind,
    /// What is wrong, and what would be right.
    pub message: String,
    /// The line in the file, from 1; nothing for the arguments of a program.
    pub line: Option<usize>,
    /// Where in the line the argument at fault begins, in characters from 1; without a line, its number.
    pub column: Option<usize>,
}

fn place(line: Option<usize>, column: Option<usize>) -> String {
    match (line, column) {
        (Some(line), Some(column)) => format!("{line}:{column}: "),
        (Some(line), None) => format!("{line}: "),
        _ => String::new(),
    }
}

impl RuleError {
    /// What was typed may be anything: the message shows it in so many characters, none of which steers a terminal.
    fn new(kind: RuleErrorKind, message: impl Into<String>) -> Self {
        let message: String = message.into();
        let visible = |letter: char| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter };
        let mut letters = message.chars().map(visible);
        let mut message: String = letters.by_ref().take(MESSAGE_MAX).collect();
        if letters.next().is_some() {
            message.push('…');
        }
        Self { kind, message, line: None, column: None }
    }

    fn syntax(message: impl Into<String>) -> Self {
        Self::new(RuleErrorKind::Syntax, message)
    }

    fn refused(message: impl Into<String>) -> Self {
        Self::new(RuleErrorKind::Refused, message)
    }

    /// Refuses rules that say nothing.
    pub(crate) fn no_rules() -> Self {
        Self::refused("there is no rule, which would delete everything; if that is meant, write the rule -C")
    }

    /// Refuses what a whole line asks for.
    pub(crate) fn of_line(line: usize, message: impl Into<String>) -> Self {
        Self { line: Some(line), ..Self::refused(message) }
    }

    /// The same error at the argument of this position, unless it is at another already.
    fn at(mut self, position: usize) -> Self {
        self.column.get_or_insert(position);
        self
    }
}

#[cfg(test)]
mod tests;
