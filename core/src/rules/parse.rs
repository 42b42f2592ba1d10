//! From arguments to objects.

use std::ffi::OsString;
use std::iter::Peekable;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use super::options::{COMMANDS, CommandSpec, EVERYWHERE, NOT_IN_RULES, Name, OF_TUNNELS, REPEATED, Value, bits};
use super::{
    Apply, Call, Columns, Drain, Generated, Invocation, Line, List, Listed, Numeric, Resolver, Restore, RuleError,
};
use crate::{
    ApplyOptions, Command, DEFAULT_SCHEDULER, DEFAULT_WEIGHT, Destination, DrainOptions, Family, Forwarding,
    InvalidArgument, Netmask, Options, Protocol, SchedulerFlags, Scope, Service, ServiceId, SyncDaemon, Timeouts,
    Tunnel, TunnelChecksum,
};

/// How long a client is remembered with `-p` alone, in seconds: the manual's.
const DEFAULT_PERSISTENCE: u32 = 300;

/// The interface of a sync daemon's messages, unless one is given, as ipvsadm has it.
const DEFAULT_INTERFACE: &str = "eth0";

/// How often `--watch` reads the table.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);

/// Reads the arguments of one call, without the program's name. No arguments at all list the table.
pub fn parse(
    arguments: impl IntoIterator<Item = impl Into<OsString>>,
    resolver: &dyn Resolver,
) -> Result<Call, RuleError> {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    Given::read(texts(&arguments)?.into_iter(), true, resolver)?.into_call()
}

/// Reads the arguments of a program that has only this command, such as `ipvsadm-save`: help, version, or options of it.
pub fn parse_command(
    command: &CommandSpec,
    arguments: impl IntoIterator<Item = impl Into<OsString>>,
    resolver: &dyn Resolver,
) -> Result<Call, RuleError> {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let given = Given::read(texts(&arguments)?.into_iter(), false, resolver)?;
    match given.options.first().map(|first| first.name) {
        Some(Name::Help) => Ok(Call { invocation: Invocation::Help, options: Options::default() }),
        Some(Name::Version) => Ok(Call { invocation: Invocation::Version, options: Options::default() }),
        _ => given.call(command),
    }
}

fn texts(arguments: &[OsString]) -> Result<Vec<&str>, RuleError> {
    let texts = arguments.iter().zip(1..).map(|(argument, position)| {
        let refused = || RuleError::refused(format!("'{}' is not text", argument.display())).at(position);
        argument.to_str().ok_or_else(refused)
    });
    texts.collect()
}

/// Reads the lines of a saved table. Each is one call's arguments, with or without the program's name before them;
/// empty lines and what follows a `#` at the start of a word are nothing. The first line that is none is the error.
pub fn parse_rules<'a>(
    text: &'a str,
    resolver: &'a dyn Resolver,
) -> impl Iterator<Item = Result<Line, RuleError>> + 'a {
    text.lines().zip(1..).filter_map(move |(line, number)| parse_line(line.as_bytes(), number, resolver).transpose())
}

/// Reads rules that all have to be changes, each with the number of its line. Hosts and ports are numbers.
pub fn parse_changes(text: &str) -> Result<Vec<(usize, Command)>, RuleError> {
    parse_rules(text, &Numeric).map(|line| line?.into_change()).collect()
}

/// Reads one line of a saved table, with its number; nothing if there is nothing in it.
pub fn parse_line(line: &[u8], number: usize, resolver: &dyn Resolver) -> Result<Option<Line>, RuleError> {
    let place = |mut error: RuleError, column| {
        (error.line, error.column) = (Some(number), column);
        error
    };
    let column_at = |offset| String::from_utf8_lossy(&line[..offset]).chars().count() + 1;
    let text = std::str::from_utf8(line)
        .map_err(|error| place(RuleError::syntax("this is not UTF-8"), Some(column_at(error.valid_up_to()))))?;
    let invocation = rule(words(text), resolver).map_err(|error| {
        let word = error.column.and_then(|position| words(text).nth(position - 1));
        // It is a part of the line.
        place(error, word.map(|word| column_at(word.as_ptr().addr() - text.as_ptr().addr())))
    })?;
    Ok(invocation.map(|invocation| Line { number, invocation }))
}

/// What the words of one line of a saved table ask for; nothing if there are none.
fn rule<'a>(words: impl Iterator<Item = &'a str>, resolver: &'a dyn Resolver) -> Result<Option<Invocation>, RuleError> {
    let mut given = Given::read(words, true, resolver)?;
    if let Some(option) = given.first_of(NOT_IN_RULES, const { bits(NOT_IN_RULES) }) {
        let message = format!("{} does not go within rules", option.name.usage());
        return Err(given.of_command(RuleError::refused(message).at(option.position)));
    }
    let invocation = given.take_command()?.map(|spec| given.checked_invocation(spec));
    invocation.transpose().map_err(|error| given.of_command(error))
}

/// The words of a line up to a comment, without the program's name before them.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line.trim_ascii_start();
    if let Some(behind) = rest.strip_prefix("ipvsadm")
        && behind.bytes().next().is_none_or(|byte| byte.is_ascii_whitespace())
    {
        rest = behind;
    }
    // As `split_ascii_whitespace`, in a third of the time.
    let mut start = 0;
    std::iter::from_fn(move || {
        let bytes = rest.as_bytes();
        while is_space(*bytes.get(start)?) {
            start += 1;
        }
        if bytes[start] == b'#' {
            rest = "";
            return None;
        }
        let mut end = start + 1;
        while bytes.get(end).is_some_and(|byte| !is_space(*byte)) {
            end += 1;
        }
        let word = &rest[start..end];
        start = end;
        Some(word)
    })
}

/// Most bytes are above all that separates words.
fn is_space(byte: u8) -> bool {
    byte <= b' ' && byte.is_ascii_whitespace()
}

/// One option as typed, and the numbers of its argument and of that with its value, from 1.
struct Typed<'a> {
    name: Name,
    value: Option<&'a str>,
    position: usize,
    value_position: usize,
}

impl<'a> Typed<'a> {
    fn value(&self) -> &'a str {
        self.value.unwrap_or_default()
    }

    /// Its value, or the one so far behind it, is wrong for this reason.
    fn wrong_value(&self, offset: usize, reason: &str) -> RuleError {
        RuleError::refused(format!("{}: {reason}", self.name.usage())).at(self.value_position + offset)
    }
}

/// The options of one call.
struct Given<'a> {
    /// The first option has to be a command.
    command_first: bool,
    command: Option<Typed<'a>>,
    options: Vec<Typed<'a>>,
    /// A bit for each that is there.
    names: u128,
    /// The values of `--set`.
    timeouts: [&'a str; 3],
    resolver: &'a dyn Resolver,
}

impl<'a> Given<'a> {
    /// Reads words as options: `--long`, `--long=value`, letters that stand together, and values. By hand, as a file of
    /// rules is read in a quarter of the time without a copy of every word.
    fn read(
        words: impl Iterator<Item = &'a str>,
        command_first: bool,
        resolver: &'a dyn Resolver,
    ) -> Result<Self, RuleError> {
        // Most have no more options than that.
        let mut given = Self {
            command_first,
            command: None,
            options: Vec::with_capacity(8),
            names: 0,
            timeouts: [""; 3],
            resolver,
        };
        match given.add_words(&mut words.zip(1..).peekable()) {
            Ok(()) => Ok(given),
            Err(error) => Err(given.of_command(error)),
        }
    }

    fn add_words(&mut self, words: &mut Peekable<impl Iterator<Item = (&'a str, usize)>>) -> Result<(), RuleError> {
        let mut only_operands = false;
        while let Some((word, position)) = words.next() {
            let place = |error: RuleError| error.at(position);
            match word.as_bytes() {
                [b'-', b'-'] if !only_operands && !self.is_command_due() => only_operands = true,
                [b'-', b'-', _, ..] if !only_operands => self.add_long(&word[2..], position, words).map_err(place)?,
                [b'-', letter, ..] if !only_operands && *letter != b'-' => {
                    self.add_letters(&word[1..], position, words).map_err(place)?;
                }
                _ => return Err(place(self.operand(word))),
            }
            // What stands behind these does not matter.
            if self.is_help() {
                break;
            }
        }
        Ok(())
    }

    fn is_command_due(&self) -> bool {
        self.command_first && self.options.is_empty()
    }

    /// The error with the command before it, unless it begins with it.
    fn of_command(&self, error: RuleError) -> RuleError {
        let first = self.command.as_ref().or(self.options.first()).map(|option| option.name);
        match first.filter(|name| self.command_first && name.command().is_some()).map(Name::usage) {
            Some(command) if !error.message.starts_with(&command) => RuleError {
                line: error.line,
                column: error.column,
                ..RuleError::new(error.kind, format!("{command}: {}", error.message))
            },
            _ => error,
        }
    }

    fn is_help(&self) -> bool {
        matches!(self.options[..], [Typed { name: Name::Help | Name::Version, .. }])
    }

    fn operand(&self, word: &str) -> RuleError {
        if self.is_command_due() {
            RuleError::syntax(format!("'{word}' is not a command"))
        } else {
            let what = match self.options.first() {
                Some(Typed { name: Name::Restore | Name::Apply, .. }) => "rules are read from standard input",
                _ => "all that it takes are options",
            };
            RuleError::refused(format!("unexpected argument '{word}': {what}"))
        }
    }

    /// A long form, with or without a value in the same word.
    fn add_long(
        &mut self,
        word: &'a str,
        position: usize,
        words: &mut Peekable<impl Iterator<Item = (&'a str, usize)>>,
    ) -> Result<(), RuleError> {
        let (long, value) = word.split_once('=').map_or((word, None), |(long, value)| (long, Some(value)));
        let name = Name::of_long(long).ok_or_else(|| RuleError::syntax(format!("invalid option '--{long}'")))?;
        self.add(name, value, position, words)
    }

    /// Letters that stand together. Behind one that takes a value stands the value, if anything.
    fn add_letters(
        &mut self,
        letters: &'a str,
        position: usize,
        words: &mut Peekable<impl Iterator<Item = (&'a str, usize)>>,
    ) -> Result<(), RuleError> {
        let mut letters = letters.chars();
        while let Some(letter) = letters.next() {
            let name =
                Name::of_letter(letter).ok_or_else(|| RuleError::syntax(format!("invalid option '-{letter}'")))?;
            let rest = letters.as_str();
            let value = match name.spec().value {
                Value::None => None,
                _ if rest.is_empty() => None,
                _ => Some(rest.strip_prefix('=').unwrap_or(rest)),
            };
            self.add(name, value, position, words)?;
            if value.is_some() || self.is_help() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// An option with the value that stands in the same word, or in the next ones.
    fn add(
        &mut self,
        name: Name,
        attached: Option<&'a str>,
        position: usize,
        words: &mut Peekable<impl Iterator<Item = (&'a str, usize)>>,
    ) -> Result<(), RuleError> {
        let (value, value_position) = match (name.spec().value, attached) {
            (Value::None, None) => (None, position),
            (Value::None, Some(value)) => {
                return Err(RuleError::syntax(format!("{} takes no value, not '{value}'", name.usage())));
            }
            (Value::One(_) | Value::Optional(_), Some(value)) => (Some(value), position),
            (Value::One(form), None) => match words.next() {
                Some((value, position)) => (Some(value), position),
                None => return Err(RuleError::syntax(format!("{} needs a value: {form}", name.usage()))),
            },
            (Value::Optional(_), None) => match words.next_if(|(word, _)| !word.starts_with('-')) {
                Some((value, position)) => (Some(value), position),
                None => (None, position),
            },
            (Value::Three(_), Some(_)) => {
                return Err(RuleError::syntax(format!("{}: its values stand behind it, without '='", name.usage())));
            }
            (Value::Three(form), None) => {
                for value in &mut self.timeouts {
                    let short = || RuleError::refused(format!("{} needs three values: {form}", name.usage()));
                    *value = words.next().map(|(word, _)| word).ok_or_else(short)?;
                    if value.starts_with('-') {
                        return Err(RuleError::syntax(format!("{}: {value} is none of {form}", name.usage())));
                    }
                }
                (None, position + 1)
            }
        };
        self.names |= name.bit();
        self.options.push(Typed { name, value, position, value_position });
        Ok(())
    }

    /// The call that the options make, the first of them being the command.
    fn into_call(mut self) -> Result<Call, RuleError> {
        match self.take_command()? {
            Some(spec) => self.call(spec),
            None => Ok(Call { invocation: Invocation::List(List::default()), options: Options::default() }),
        }
    }

    /// Takes the command from before the other options; nothing if there are none at all.
    fn take_command(&mut self) -> Result<Option<&'static CommandSpec>, RuleError> {
        let Some(first) = self.options.first() else { return Ok(None) };
        let name = first.name;
        let spec = name.command().ok_or_else(|| {
            RuleError::syntax(format!("{} is not a command; the command comes first", name.usage())).at(1)
        })?;
        self.command = Some(self.options.remove(0));
        Ok(Some(spec))
    }

    /// The call of this command with the options.
    fn call(&self, spec: &CommandSpec) -> Result<Call, RuleError> {
        let call = || Ok(Call { invocation: self.checked_invocation(spec)?, options: self.connection()? });
        call().map_err(|error| self.of_command(error))
    }

    fn checked_invocation(&self, spec: &CommandSpec) -> Result<Invocation, RuleError> {
        self.check(spec)?;
        self.invocation(spec.command)
    }

    /// Checks that all that a command needs is there, and nothing else.
    fn check(&self, spec: &CommandSpec) -> Result<(), RuleError> {
        let command = spec.command;
        let mut rows = 0_u32;
        for option in &self.options {
            let name = option.name;
            if name == command {
                return Err(RuleError::refused(format!("{} is given twice", command.usage())).at(option.position));
            }
            let row = spec.row(name).ok_or_else(|| unfit(name).at(option.position))?;
            if REPEATED.contains(&name) {
                continue;
            }
            if rows & 1 << row != 0 {
                let message = match self.options.iter().find(|before| spec.row(before.name) == Some(row)) {
                    Some(before) if before.name != name => {
                        format!("{} and {} exclude each other", before.name.usage(), name.usage())
                    }
                    _ => format!("{} is given twice", name.usage()),
                };
                return Err(RuleError::refused(message).at(option.position));
            }
            rows |= 1 << row;
            if let Some(value) = option.value.filter(|_| spec.without_value.contains(&name)) {
                let message = format!("{} takes no value here, not '{value}'", name.usage());
                return Err(RuleError::refused(message).at(option.value_position));
            }
        }
        for (one, other) in spec.conflicts {
            if let (Some(one), Some(other)) = (self.first_of(one, bits(one)), self.first_of(other, bits(other))) {
                let message = format!("{} and {} exclude each other", one.name.usage(), other.name.usage());
                return Err(RuleError::refused(message).at(one.position.max(other.position)));
            }
        }
        for (names, row) in spec.required.iter().zip(0..) {
            if rows & 1 << row == 0 {
                let names: Vec<String> = names.iter().map(|name| name.usage()).collect();
                let error = RuleError::refused(format!("{} needs {}", command.usage(), names.join(" or ")));
                return Err(self.command.iter().fold(error, |error, command| error.at(command.position)));
            }
        }
        if self.has(Name::Ipv6) && !self.has(Name::FwmarkService) {
            return Err(self.wrong(Name::Ipv6, "goes with -f, --fwmark-service only: an address shows its family"));
        }
        Ok(())
    }

    fn get(&self, name: Name) -> Option<&Typed<'a>> {
        let mut options = self.options.iter().chain(&self.command);
        if self.has(name) { options.find(|option| option.name == name) } else { None }
    }

    fn has(&self, name: Name) -> bool {
        self.names & name.bit() != 0
    }

    /// The first option that is one of these. Their bits tell soon that none is, as in nearly every rule.
    fn first_of(&self, names: &[Name], bits: u128) -> Option<&Typed<'a>> {
        if self.names & bits == 0 { None } else { self.options.iter().find(|option| names.contains(&option.name)) }
    }

    /// An option is wrong for this reason.
    fn wrong(&self, name: Name, reason: &str) -> RuleError {
        let error = RuleError::refused(format!("{} {reason}", name.usage()));
        match self.get(name) {
            Some(option) => error.at(option.position),
            None => error,
        }
    }

    /// The value of an option is wrong for this reason.
    fn wrong_value(&self, name: Name, reason: &str) -> RuleError {
        self.get(name).map_or_else(|| self.wrong(name, reason), |option| option.wrong_value(0, reason))
    }

    /// The value of an option, read; nothing if it is not there.
    fn read_value<T>(
        &self,
        name: Name,
        read: impl FnOnce(&str) -> Result<T, InvalidArgument>,
    ) -> Result<Option<T>, RuleError> {
        self.get(name)
            .map(|option| read(option.value()).map_err(|error| option.wrong_value(0, &error.reason)))
            .transpose()
    }

    fn number<T: FromStr>(&self, name: Name, range: &str) -> Result<Option<T>, RuleError> {
        self.read_value(name, |text| number(name.spec().long, text, range))
    }

    /// The value of an option unless it is empty, which scripts have for what is not set.
    fn set_value(&self, name: Name) -> Option<&'a str> {
        self.get(name).map(Typed::value).filter(|value| !value.is_empty())
    }

    fn invocation(&self, command: Name) -> Result<Invocation, RuleError> {
        let change = match command {
            Name::AddService => Command::AddService(self.service()?),
            Name::EditService => Command::EditService(self.service()?),
            Name::DeleteService => Command::DeleteService(self.id()?),
            Name::Clear => Command::Flush,
            Name::AddServer => {
                let id = self.id()?;
                Command::AddDestination(id, self.destination(&id)?)
            }
            Name::EditServer => {
                let id = self.id()?;
                Command::EditDestination(id, self.destination(&id)?)
            }
            Name::DeleteServer => {
                let id = self.id()?;
                Command::DeleteDestination(id, self.destination_address(&id)?)
            }
            Name::Zero => Command::Zero(self.optional_id()?),
            Name::Set => Command::SetTimeouts(self.timeouts()?),
            Name::StartDaemon => Command::StartDaemon(self.daemon(Name::StartDaemon)?),
            Name::SyncRole => return Ok(Invocation::SyncRole(self.sync_role()?)),
            Name::StopDaemon => {
                // The kernel asks for none; what is none is refused as it is at the start.
                self.sync_id()?;
                Command::StopDaemon(self.role(Name::StopDaemon)?)
            }
            Name::List => return Ok(Invocation::List(self.list()?)),
            Name::Save => {
                let output = self.get(Name::Output).map(|option| option.value().to_owned());
                return Ok(Invocation::Save { numeric: self.has(Name::Numeric), output });
            }
            Name::Restore => {
                return Ok(Invocation::Restore(Restore {
                    keep_going: self.has(Name::KeepGoing),
                    stream: self.has(Name::Stream),
                    verbose: self.has(Name::Verbose),
                }));
            }
            Name::Apply => return Ok(Invocation::Apply(self.apply()?)),
            Name::Drain => return Ok(Invocation::Drain(self.drain()?)),
            Name::Watch => {
                let interval = self.seconds(Name::Interval)?.unwrap_or(DEFAULT_INTERVAL);
                if interval.is_zero() {
                    return Err(self.wrong_value(Name::Interval, "0 would read the table all the time"));
                }
                return Ok(Invocation::Watch { interval, json: self.has(Name::Json) });
            }
            Name::Generate => return Ok(Invocation::Generate(self.generated()?)),
            Name::Help => return Ok(Invocation::Help),
            Name::Version => return Ok(Invocation::Version),
            other => return Err(RuleError::syntax(format!("{} is not a command", other.usage()))),
        };
        change.check().map_err(|argument| self.placed(&argument))?;
        Ok(Invocation::Change(change))
    }

    fn list(&self) -> Result<List, RuleError> {
        let what = if self.has(Name::Connection) {
            Listed::Connections { persistence: self.has(Name::PersistentConn) }
        } else if self.has(Name::Timeout) {
            Listed::Timeouts
        } else if self.has(Name::Daemon) {
            Listed::Daemons
        } else {
            let exact = self.has(Name::Exact);
            let columns = [
                (Name::Stats, Columns::Stats { exact }),
                (Name::Rate, Columns::Rate { exact }),
                (Name::Thresholds, Columns::Thresholds),
                (Name::PersistentConn, Columns::Persistence),
                (Name::TunInfo, Columns::Tunnels),
            ];
            let columns = columns.into_iter().find(|(name, _)| self.has(*name)).map(|(_, columns)| columns);
            Listed::Table { service: self.optional_id()?, columns: columns.unwrap_or_default() }
        };
        let (numeric, nosort, json) = (self.has(Name::Numeric), self.has(Name::Nosort), self.has(Name::Json));
        Ok(List { what, numeric, nosort, json })
    }

    fn apply(&self) -> Result<Apply, RuleError> {
        let mut parts = Vec::new();
        for option in self.options.iter().filter(|option| option.name == Name::Scope) {
            parts.push(option.value().parse().map_err(|error: InvalidArgument| option.wrong_value(0, &error.reason))?);
        }
        let scope = if parts.is_empty() { Scope::All } else { Scope::Only(parts) };
        let options = ApplyOptions::default().with_scope(scope).with_rollback(self.has(Name::Rollback));
        Ok(Apply { options, dry_run: self.has(Name::DryRun), verbose: self.has(Name::Verbose) })
    }

    fn drain(&self) -> Result<Drain, RuleError> {
        let service = self.id()?;
        let options = DrainOptions::default()
            .with_deadline(self.seconds(Name::Deadline)?)
            .with_inactive(self.has(Name::Inactive))
            .with_persistent(self.has(Name::Persistent));
        let address = self.destination_address(&service)?;
        Ok(Drain { service, address, options, verbose: self.has(Name::Verbose) })
    }

    fn generated(&self) -> Result<Generated, RuleError> {
        match self.get(Name::Generate).map(Typed::value) {
            Some("man") => Ok(Generated::Man),
            Some("bash") => Ok(Generated::Bash),
            Some("zsh") => Ok(Generated::Zsh),
            Some("fish") => Ok(Generated::Fish),
            other => {
                let other = other.unwrap_or_default();
                Err(self.wrong_value(Name::Generate, &format!("'{other}' is none of man, bash, zsh and fish")))
            }
        }
    }

    /// How to connect.
    fn connection(&self) -> Result<Options, RuleError> {
        let mut options = Options::default();
        if let Some(netns) = self.get(Name::Netns) {
            if netns.value().is_empty() {
                return Err(self.wrong_value(Name::Netns, "the name of a network namespace is empty"));
            }
            options = options.with_netns(netns.value());
        }
        if let Some(wait) = self.seconds(Name::Wait)? {
            options = options.with_timeout(Some(wait));
        }
        Ok(options)
    }

    /// The time that the value of an option is.
    fn seconds(&self, name: Name) -> Result<Option<Duration>, RuleError> {
        let Some(given) = self.number(name, "a number of seconds")? else { return Ok(None) };
        crate::seconds(given).map(Some).ok_or_else(|| self.wrong_value(name, "so many seconds cannot be waited for"))
    }

    /// What an object finds wrong, at the option that set it.
    fn placed(&self, argument: &InvalidArgument) -> RuleError {
        let names: &[Name] = match argument.field {
            "scheduler" => &[Name::Scheduler],
            "persistence_engine" => &[Name::PersistEngine],
            "persistence_timeout" => &[Name::Persistent],
            "netmask" => &[Name::Netmask],
            "one_packet" => &[Name::OnePacket],
            "destination" | "forwarding" => &[Name::RealServer],
            "weight" => &[Name::Weight],
            "upper_threshold" => &[Name::UThreshold],
            "lower_threshold" => &[Name::LThreshold],
            "tunnel" => &[Name::TunType],
            "tcp" | "tcp_fin" | "udp" => &[Name::Set],
            "interface" => &[Name::McastInterface],
            "max_length" => &[Name::SyncMaxlen],
            "group" => &[Name::McastGroup],
            _ => &[Name::TcpService, Name::UdpService, Name::SctpService, Name::FwmarkService],
        };
        // Only --set has several values.
        let offset = ["tcp", "tcp_fin", "udp"].iter().position(|field| *field == argument.field).unwrap_or_default();
        match names.iter().find_map(|name| self.get(*name)) {
            Some(option) => option.wrong_value(offset, &argument.reason),
            None => RuleError::refused(argument.to_string()),
        }
    }

    fn service(&self) -> Result<Service, RuleError> {
        let scheduler = self.set_value(Name::Scheduler).unwrap_or(DEFAULT_SCHEDULER);
        let mut service = Service::new(self.id()?).with_scheduler(scheduler);
        let flags = self.read_value(Name::SchedFlags, |names| {
            SchedulerFlags::from_names(&service.scheduler, names.split(',').filter(|name| !name.is_empty()))
        })?;
        service.scheduler_flags = flags.unwrap_or_default();
        if let Some(option) = self.get(Name::Persistent) {
            service.persistence_timeout = match option.value {
                None => Some(DEFAULT_PERSISTENCE),
                Some(_) => self.number(Name::Persistent, "a number of seconds")?,
            };
        }
        let family = service.id.family();
        if let Some(netmask) = self.read_value(Name::Netmask, |text| Netmask::parse(text, family))? {
            service.netmask = netmask;
        }
        service.persistence_engine = self.set_value(Name::PersistEngine).map(str::to_owned);
        service.one_packet = self.has(Name::OnePacket);
        Ok(service)
    }

    fn destination(&self, service: &ServiceId) -> Result<Destination, RuleError> {
        let mut destination = Destination::new(self.destination_address(service)?).with_forwarding(self.forwarding()?);
        if destination.forwarding == Forwarding::Masquerade {
            if self.has(Name::KeepPort) {
                return Err(self.wrong(Name::KeepPort, "goes with -g and -i only: masquerading always keeps it"));
            }
        } else if let Some(port) = service.port().filter(|_| !self.has(Name::KeepPort)) {
            // Nothing rewrites the port on these ways; ipvsadm has always put the service's in.
            destination.address.set_port(port);
        }
        destination.weight = self.number(Name::Weight, "a number from 0 to 2147483647")?.unwrap_or(DEFAULT_WEIGHT);
        destination.upper_threshold = self.number(Name::UThreshold, "a number of connections")?.unwrap_or_default();
        destination.lower_threshold = self.number(Name::LThreshold, "a number of connections")?.unwrap_or_default();
        Ok(destination)
    }

    fn forwarding(&self) -> Result<Forwarding, RuleError> {
        let checksum = if self.has(Name::TunRemcsum) {
            Some((Name::TunRemcsum, TunnelChecksum::Remote))
        } else if self.has(Name::TunCsum) {
            Some((Name::TunCsum, TunnelChecksum::On))
        } else {
            self.get(Name::TunNocsum).map(|_| (Name::TunNocsum, TunnelChecksum::Off))
        };
        if !self.has(Name::Ipip) {
            if let Some(option) = self.first_of(OF_TUNNELS, const { bits(OF_TUNNELS) }) {
                return Err(self.wrong(option.name, "goes with -i, --ipip only"));
            }
            let masquerade = self.has(Name::Masquerading);
            return Ok(if masquerade { Forwarding::Masquerade } else { Forwarding::DirectRoute });
        }
        let port = self.number(Name::TunPort, "a port from 1 to 65535")?;
        let tunnel = match self.get(Name::TunType).map_or("ipip", Typed::value) {
            "gue" => {
                let port = port.ok_or_else(|| self.wrong_value(Name::TunType, "gue needs --tun-port"))?;
                Tunnel::Gue { port, checksum: checksum.map(|(_, checksum)| checksum).unwrap_or_default() }
            }
            kind @ ("ipip" | "gre") if port.is_some() => {
                return Err(self.wrong(Name::TunPort, &format!("goes with --tun-type gue only, not {kind}")));
            }
            "gre" => match checksum {
                Some((name, TunnelChecksum::Remote)) => {
                    return Err(self.wrong(name, "goes with --tun-type gue only, not gre"));
                }
                checksum => Tunnel::Gre { checksum: checksum.map(|(_, checksum)| checksum).unwrap_or_default() },
            },
            "ipip" => match checksum {
                Some((name, _)) => return Err(self.wrong(name, "goes with --tun-type gue or gre only, not ipip")),
                None => Tunnel::Ipip,
            },
            other => return Err(self.wrong_value(Name::TunType, &format!("'{other}' is none of ipip, gue and gre"))),
        };
        Ok(Forwarding::Tunnel(tunnel))
    }

    fn destination_address(&self, service: &ServiceId) -> Result<SocketAddr, RuleError> {
        let protocol = match service {
            ServiceId::Address { protocol, .. } => *protocol,
            ServiceId::Fwmark { .. } => Protocol::Tcp,
        };
        let address = self.read_value(Name::RealServer, |text| {
            address(Name::RealServer.spec().long, text, protocol, self.resolver)
        })?;
        let (address, port) = address.ok_or_else(|| RuleError::refused("no real server is named"))?;
        Ok(SocketAddr::new(address, port.or(service.port()).unwrap_or_default()))
    }

    fn id(&self) -> Result<ServiceId, RuleError> {
        self.optional_id()?.ok_or_else(|| RuleError::refused("no virtual service is named"))
    }

    fn optional_id(&self) -> Result<Option<ServiceId>, RuleError> {
        for (name, protocol) in
            [(Name::TcpService, Protocol::Tcp), (Name::UdpService, Protocol::Udp), (Name::SctpService, Protocol::Sctp)]
        {
            let read = self.read_value(name, |text| address(name.spec().long, text, protocol, self.resolver))?;
            if let Some((address, port)) = read {
                let address = SocketAddr::new(address, port.unwrap_or_default());
                return Ok(Some(ServiceId::Address { protocol, address }));
            }
        }
        let family = if self.has(Name::Ipv6) { Family::Ipv6 } else { Family::Ipv4 };
        self.read_value(Name::FwmarkService, |text| {
            let mark = number("fwmark-service", text, "a number from 1 to 4294967295")?;
            let id = ServiceId::Fwmark { mark, family };
            id.check()?;
            Ok(id)
        })
    }

    fn timeouts(&self) -> Result<Timeouts, RuleError> {
        let Some(option) = self.get(Name::Set) else { return Err(RuleError::refused("no timeouts are named")) };
        let mut seconds = [0; 3];
        for (offset, text) in self.timeouts.into_iter().enumerate() {
            seconds[offset] = number("timeouts", text, "a number of seconds")
                .map_err(|error| option.wrong_value(offset, &error.reason))?;
        }
        let [tcp, tcp_fin, udp] = seconds;
        Ok(Timeouts { tcp, tcp_fin, udp })
    }

    fn role(&self, name: Name) -> Result<crate::Role, RuleError> {
        self.read_value(name, str::parse)?.ok_or_else(|| RuleError::refused("neither master nor backup is named"))
    }

    fn sync_role(&self) -> Result<Option<SyncDaemon>, RuleError> {
        match self.get(Name::SyncRole).map_or("", Typed::value) {
            "none" => {
                return match self.options.iter().find(|option| !EVERYWHERE.contains(&option.name)) {
                    Some(option) => Err(self.wrong(option.name, "goes with master and backup only, not none")),
                    None => Ok(None),
                };
            }
            "master" | "backup" => {}
            other => {
                return Err(self.wrong_value(Name::SyncRole, &format!("'{other}' is none of master, backup and none")));
            }
        }
        let daemon = self.daemon(Name::SyncRole)?;
        if self.set_value(Name::McastInterface).is_none() {
            let needed = Name::McastInterface.usage();
            return Err(self.wrong(Name::SyncRole, &format!("{} needs {needed}", daemon.role)));
        }
        daemon.check().map_err(|argument| self.placed(&argument))?;
        Ok(Some(daemon))
    }

    /// The daemon with the role that this option says.
    fn daemon(&self, role: Name) -> Result<SyncDaemon, RuleError> {
        let interface = self.set_value(Name::McastInterface).unwrap_or(DEFAULT_INTERFACE);
        let mut daemon = SyncDaemon::new(self.role(role)?, interface);
        daemon.sync_id = self.sync_id()?;
        daemon.max_length = self.positive(Name::SyncMaxlen, "a number from 1 to 65507")?;
        daemon.group = self.read_value(Name::McastGroup, |text| {
            text.trim_start_matches('[').trim_end_matches(']').parse().map_err(|_| {
                InvalidArgument::new("mcast-group", format!("'{text}' is not an address; write 224.0.0.81 or ff02::81"))
            })
        })?;
        daemon.port = self.positive(Name::McastPort, "a port from 1 to 65535")?;
        daemon.ttl = self.positive(Name::McastTtl, "a number from 1 to 255")?;
        Ok(daemon)
    }

    fn sync_id(&self) -> Result<u8, RuleError> {
        Ok(self.number(Name::SyncId, "a number from 0 to 255")?.unwrap_or_default())
    }

    /// A number above 0, or 0 if the option is not there.
    fn positive<T: FromStr + Default + PartialEq>(&self, name: Name, range: &str) -> Result<T, RuleError> {
        match self.number::<T>(name, range)? {
            Some(number) if number == T::default() => Err(self.wrong_value(name, &format!("0 is not {range}"))),
            number => Ok(number.unwrap_or_default()),
        }
    }
}

/// An option that the command does not take, and which do.
fn unfit(name: Name) -> RuleError {
    let takers: Vec<String> =
        COMMANDS.iter().filter(|spec| spec.row(name).is_some()).map(|spec| spec.command.usage()).collect();
    RuleError::refused(match takers[..] {
        [] => format!("{} does not go with it: it is a command, and stands alone", name.usage()),
        _ => format!("{} does not go with it, but with {}", name.usage(), takers.join(" or ")),
    })
}

/// Reads a number as the C library does, which scripts give one with spaces before it.
fn number<T: FromStr>(field: &'static str, text: &str, range: &str) -> Result<T, InvalidArgument> {
    let digits = match text.trim_ascii_start() {
        "-0" => "0",
        digits => digits,
    };
    digits.parse().map_err(|_| InvalidArgument::new(field, format!("'{text}' is not {range}")))
}

/// Reads `HOST[:PORT]`. An IPv6 address with a port is in brackets, as the name of a host is for its IPv6 address; without
/// them every colon is the address's.
fn address(
    field: &'static str,
    text: &str,
    protocol: Protocol,
    resolver: &dyn Resolver,
) -> Result<(IpAddr, Option<u16>), InvalidArgument> {
    let wrong = || {
        InvalidArgument::new(
            field,
            format!(
                "'{text}' is not an address, and {}; write 10.0.0.1, 10.0.0.1:80, 2001:db8::1 or [2001:db8::1]:80",
                resolver.on_unknown()
            ),
        )
    };
    let port = |port: &str| {
        // Every name has a letter; the C library would take a number above 65535 for one, too, and count from 0 again.
        let is_name = port.bytes().any(|byte| byte.is_ascii_alphabetic());
        let number = if is_name { resolver.port(port, protocol) } else { number(field, port, "a port").ok() };
        number.ok_or_else(|| {
            InvalidArgument::new(
                field,
                format!(
                    "in '{text}': the port '{port}' is not a number from 0 to 65535, and {}",
                    resolver.on_unknown()
                ),
            )
        })
    };
    if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']').ok_or_else(wrong)?;
        let address = match address.parse::<IpAddr>() {
            // Scripts write a real server so; of a service, ipvsadm would lose the port.
            Ok(IpAddr::V4(_)) if field != Name::RealServer.spec().long => None,
            Ok(address) => Some(address),
            // The C library would leave the interface out.
            Err(_) if address.contains('%') => None,
            // As a host's name is written for an IPv6 address.
            Err(_) => resolver.host(address, Some(Family::Ipv6)),
        };
        let address = address.ok_or_else(wrong)?;
        return match rest.strip_prefix(':') {
            Some(rest) => Ok((address, Some(port(rest)?))),
            None if rest.is_empty() => Ok((address, None)),
            None => Err(wrong()),
        };
    }
    let (host, rest) = text.split_once(':').map_or((text, None), |(host, rest)| (host, Some(rest)));
    let address = match host.parse::<Ipv4Addr>() {
        Ok(address) => Some(address.into()),
        Err(_) if rest.is_some_and(|rest| rest.contains(':')) => {
            return text.parse::<Ipv6Addr>().map(|address| (address.into(), None)).map_err(|_| wrong());
        }
        Err(_) => resolver.host(host, None),
    };
    Ok((address.ok_or_else(wrong)?, rest.map(port).transpose()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rules::{Numeric, RuleErrorKind};

    fn invocation(line: &str) -> Result<Invocation, RuleError> {
        parse(line.split_whitespace(), &Numeric).map(|call| call.invocation)
    }

    fn command(line: &str) -> Command {
        match invocation(line) {
            Ok(Invocation::Change(command)) => command,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn refused(line: &str) -> String {
        match invocation(line) {
            Err(RuleError { kind: RuleErrorKind::Refused, message, .. }) => message,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn commands_become_objects() {
        let id: ServiceId = "tcp://10.0.0.1:80".parse().unwrap();
        let web = Service::new(id);
        assert_eq!(command("-A -t 10.0.0.1:80"), Command::AddService(web.clone()));
        assert_eq!(command("-At 10.0.0.1:80"), Command::AddService(web.clone()));
        assert_eq!(
            command("--edit-service --scheduler=rr --tcp-service 10.0.0.1:80"),
            Command::EditService(web.clone().with_scheduler("rr"))
        );
        assert_eq!(command("-D -t10.0.0.1:80"), Command::DeleteService(id));
        assert_eq!(command("-C"), Command::Flush);
        let real = Destination::new("192.168.1.10:8080".parse().unwrap()).with_weight(5).with_thresholds(10, 3);
        assert_eq!(
            command("-a -t 10.0.0.1:80 -r 192.168.1.10:8080 -m -w 5 -x 10 -y 3"),
            Command::AddDestination(id, real.with_forwarding(Forwarding::Masquerade))
        );
        assert_eq!(
            command("-d -t 10.0.0.1:80 -r 192.168.1.10"),
            Command::DeleteDestination(id, "192.168.1.10:80".parse().unwrap())
        );
        assert_eq!(command("-Z"), Command::Zero(None));
        assert_eq!(command("-Zt 10.0.0.1:80"), Command::Zero(Some(id)));
        assert_eq!(command("--set 1 0 30"), Command::SetTimeouts(Timeouts { tcp: 1, tcp_fin: 0, udp: 30 }));
        assert_eq!(command("--stop-daemon backup"), Command::StopDaemon(crate::Role::Backup));
        for line in ["--start-daemon master", "--start-daemon master --mcast-interface="] {
            assert_eq!(command(line), Command::StartDaemon(SyncDaemon::new(crate::Role::Master, "eth0")));
        }
        assert_eq!(invocation(""), Ok(Invocation::List(List::default())));
        let id = Some("udp://[2001:db8::1]:53".parse().unwrap());
        let stats = Listed::Table { service: id, columns: Columns::Stats { exact: false } };
        let list = List { what: stats, numeric: true, ..List::default() };
        assert_eq!(invocation("-Ln -u [2001:db8::1]:53 --stats --rate --sort"), Ok(Invocation::List(list)));
        let list = List { what: Listed::Connections { persistence: true }, nosort: true, ..List::default() };
        assert_eq!(invocation("-Lc --persistent-conn --nosort --exact"), Ok(Invocation::List(list)));
        let list = List { what: Listed::Timeouts, json: true, ..List::default() };
        assert_eq!(invocation("-L --timeout --json"), Ok(Invocation::List(list)));
        assert_eq!(invocation("-S -n"), Ok(Invocation::Save { numeric: true, output: None }));
        let output = Some("rules".to_owned());
        assert_eq!(invocation("-S --output=rules"), Ok(Invocation::Save { numeric: false, output }));
        let restore = Restore { keep_going: true, stream: true, verbose: true };
        assert_eq!(invocation("-R --verbose --stream --keep-going"), Ok(Invocation::Restore(restore)));
        assert_eq!(invocation("--sync-role none --wait 1"), Ok(Invocation::SyncRole(None)));
        let mut daemon = SyncDaemon::new(crate::Role::Backup, "eth0");
        daemon.sync_id = 7;
        assert_eq!(
            invocation("--sync-role backup --mcast-interface eth0 --syncid 7"),
            Ok(Invocation::SyncRole(Some(daemon)))
        );
        assert_eq!(invocation("--watch"), Ok(Invocation::Watch { interval: Duration::from_secs(1), json: false }));
        assert_eq!(
            invocation("--watch --json --interval 0.5"),
            Ok(Invocation::Watch { interval: Duration::from_millis(500), json: true })
        );
        let drain = |options, verbose| {
            let (service, address) = ("tcp://10.0.0.1:80".parse().unwrap(), "192.168.1.10:80".parse().unwrap());
            Ok(Invocation::Drain(Drain { service, address, options, verbose }))
        };
        assert_eq!(invocation("--drain -t 10.0.0.1:80 -r 192.168.1.10"), drain(DrainOptions::default(), false));
        let options = DrainOptions::default().with_deadline(Some(Duration::from_millis(1500)));
        assert_eq!(
            invocation("--drain -t 10.0.0.1:80 -r 192.168.1.10 --deadline 1.5 --inactive --persistent --verbose"),
            drain(options.with_inactive(true).with_persistent(true), true)
        );
        let either = [
            ("--inactive", DrainOptions::default().with_inactive(true)),
            ("--persistent", DrainOptions::default().with_persistent(true)),
        ];
        for (option, options) in either {
            assert_eq!(invocation(&format!("--drain -t 10.0.0.1:80 -r 192.168.1.10 {option}")), drain(options, false));
        }
        let scope = Scope::Only(vec!["10.0.0.0/24".parse().unwrap(), "fwmark:1-9".parse().unwrap()]);
        let options = ApplyOptions::default().with_scope(scope).with_rollback(true);
        let apply = Apply { options, dry_run: true, verbose: true };
        assert_eq!(
            invocation("--apply --scope 10.0.0.0/24 --dry-run --scope=fwmark:1-9 --rollback --verbose"),
            Ok(Invocation::Apply(apply))
        );
        assert_eq!(invocation("--apply"), Ok(Invocation::Apply(Apply::default())));
        assert_eq!(invocation("--generate man"), Ok(Invocation::Generate(Generated::Man)));
        assert_eq!(invocation("-h --nosuch"), Ok(Invocation::Help));
    }

    #[test]
    fn persistence_takes_the_next_argument_unless_it_is_an_option() {
        let seconds = |line: &str| match command(line) {
            Command::AddService(service) => service.persistence_timeout,
            other => panic!("{other:?}"),
        };
        assert_eq!(seconds("-A -t 10.0.0.1:80 -p"), Some(300));
        assert_eq!(seconds("-A -t 10.0.0.1:80 -p -s rr"), Some(300));
        assert_eq!(seconds("-A -t 10.0.0.1:80 -p 60 -s rr"), Some(60));
        assert_eq!(seconds("-A -t 10.0.0.1:80 -p60"), Some(60));
        assert_eq!(seconds("-A -t 10.0.0.1:80 --persistent=60"), Some(60));
        assert_eq!(seconds("-A -t 10.0.0.1:80"), None);
        assert_eq!(
            refused("-A -t 10.0.0.1:80 -p 0"),
            "-A, --add-service: -p, --persistent: 0 is not within 1 to 4294967 seconds"
        );
    }

    #[test]
    fn numbers_and_values_are_taken_as_scripts_give_them() {
        let service = |words: &[&str]| match parse([&["-A", "-t", "10.0.0.1:80"], words].concat(), &Numeric)
            .map(|call| call.invocation)
        {
            Ok(Invocation::Change(Command::AddService(service))) => service,
            other => panic!("{other:?}"),
        };
        let plain = service(&[]);
        for words in [&["-s", ""][..], &["--scheduler="], &["-b", ""], &["-b", ","], &["--pe="]] {
            assert_eq!(service(words), plain, "{words:?}");
        }
        let flags = |text| service(&["-s", "sh", "-b", text]).scheduler_flags;
        assert_eq!(flags("sh-port,"), flags("sh-port"));
        assert_eq!(service(&["-p", "\t 60"]).persistence_timeout, Some(60));
        let weight = |text| parse(["-a", "-t", "10.0.0.1:80", "-r", "10.0.0.2", "-w", text], &Numeric).map(|_| ());
        assert_eq!(weight("-0"), Ok(()));
        assert!(weight("5 ").is_err() && weight("").is_err() && weight("-00").is_err());
    }

    #[test]
    fn only_masquerading_keeps_another_port() {
        let port = |line: &str| match command(line) {
            Command::AddDestination(_, destination) => destination.address.port(),
            other => panic!("{other:?}"),
        };
        assert_eq!(port("-a -t 10.0.0.1:80 -r 192.168.1.10:8080 -m"), 8080);
        assert_eq!(port("-a -t 10.0.0.1:80 -r 192.168.1.10:8080 -g"), 80);
        assert_eq!(port("-a -t 10.0.0.1:80 -r 192.168.1.10:8080"), 80);
        assert_eq!(port("-a -t 10.0.0.1:80 -r 192.168.1.10:8080 -i"), 80);
        assert_eq!(port("-a -f 1 -r 192.168.1.10:8080 -g"), 8080);
        assert_eq!(port("-a -t 10.0.0.1:80 -r 192.168.1.10:8080 -g --keep-port"), 8080);
        assert_eq!(port("-a -t 10.0.0.1:80 -r 192.168.1.10:8080 -i --keep-port"), 8080);
    }

    #[test]
    fn what_does_not_go_together_is_named() {
        for (line, message) in [
            (
                "-A -t 10.0.0.1:80 -L",
                "-A, --add-service: -L, --list does not go with it: it is a command, and stands alone",
            ),
            (
                "-A -t 10.0.0.1:80 -u 10.0.0.1:80",
                "-A, --add-service: -t, --tcp-service and -u, --udp-service exclude each other",
            ),
            ("-A -t 10.0.0.1:80 -s rr -s rr", "-A, --add-service: -s, --scheduler is given twice"),
            ("-L -L", "-L, --list is given twice"),
            ("-A -t 10.0.0.1:80 more", "-A, --add-service: unexpected argument 'more': all that it takes are options"),
        ] {
            assert_eq!(invocation(line).unwrap_err().message, message);
        }
    }

    #[test]
    fn wrong_commands_say_what_is_right() {
        for (line, message) in [
            (
                "-A -s rr",
                "-A, --add-service needs -t, --tcp-service or -u, --udp-service or --sctp-service or -f, \
                 --fwmark-service",
            ),
            (
                "-A -t 10.0.0.1:80 -w 3",
                "-A, --add-service: -w, --weight does not go with it, but with -a, --add-server or -e, --edit-server",
            ),
            (
                "-a -t 10.0.0.1:80 -r 192.168.1.10:8080 -m --keep-port",
                "-a, --add-server: --keep-port goes with -g and -i only: masquerading always keeps it",
            ),
            (
                "-A -t 10.0.0.1:80 -6",
                "-A, --add-service: -6, --ipv6 goes with -f, --fwmark-service only: an address shows its family",
            ),
            (
                "-a -t 10.0.0.1:80 -r 192.168.1.10 -w 2147483648",
                "-a, --add-server: -w, --weight: 2147483648 is above 2147483647",
            ),
            (
                "-a -t 10.0.0.1:80 -r 192.168.1.10 -w -1",
                "-a, --add-server: -w, --weight: '-1' is not a number from 0 to 2147483647",
            ),
            (
                "-a -t 10.0.0.1:80 -r 192.168.1.10 -x 2147483648",
                "-a, --add-server: -x, --u-threshold: 2147483648 is above 2147483647",
            ),
            (
                "-a -t 10.0.0.1:80 -r 192.168.1.10 -y 1",
                "-a, --add-server: -y, --l-threshold: 1 is above the upper threshold 0",
            ),
            ("-A -f 0", "-A, --add-service: -f, --fwmark-service: 0 marks no packet; use 1 to 4294967295"),
            (
                "-A -t 10.0.0.1:80 -b mh-port",
                "-A, --add-service: -b, --sched-flags: 'mh-port' belongs to the scheduler 'mh', not to 'wlc'",
            ),
            (
                "-A -t 10.0.0.1:80 -M 255.0.255.0",
                "-A, --add-service: -M, --netmask: 255.0.255.0 has holes; the set bits have to be the first ones",
            ),
            ("-A -t 10.0.0.1:80 -M 24", "-A, --add-service: -M, --netmask: '24' is not a mask; write 255.255.255.0"),
            (
                "-A -t 10.0.0.1:http",
                "-A, --add-service: -t, --tcp-service: in '10.0.0.1:http': the port 'http' is not a number from \
                 0 to 65535, and names are not looked up here ('ipvsadm -S -n' saves numbers)",
            ),
            ("--start-daemon slave --mcast-interface eth0", "--start-daemon: 'slave' is neither master nor backup"),
            (
                "--start-daemon master --mcast-interface eth0 --mcast-ttl 0",
                "--start-daemon: --mcast-ttl: 0 is not a number from 1 to 255",
            ),
            ("--apply --scope 10.0.0.1/24", "--apply: --scope: '10.0.0.1/24' is not the first address of its network"),
            ("--apply rules", "--apply: unexpected argument 'rules': rules are read from standard input"),
            ("--apply --dry-run --dry-run", "--apply: --dry-run is given twice"),
            ("-R --rollback", "-R, --restore: --rollback does not go with it, but with --apply"),
            ("--drain -t 10.0.0.1:80", "--drain needs -r, --real-server"),
            ("--drain -t 10.0.0.1:80 -r 10.0.0.2 -p 60", "--drain: -p, --persistent takes no value here, not '60'"),
            (
                "--drain -t 10.0.0.1:80 -r 10.0.0.2 --deadline -1",
                "--drain: --deadline: so many seconds cannot be waited for",
            ),
            (
                "-d -t 10.0.0.1:80 -r 10.0.0.2 --inactive",
                "-d, --delete-server: --inactive does not go with it, but with --drain",
            ),
            ("--watch --interval 0", "--watch: --interval: 0 would read the table all the time"),
            ("-L --interval 1", "-L, --list: --interval does not go with it, but with --watch"),
            ("--sync-role master", "--sync-role master needs --mcast-interface"),
            ("--sync-role slave", "--sync-role: 'slave' is none of master, backup and none"),
            ("--sync-role none --syncid 7", "--sync-role: --syncid goes with master and backup only, not none"),
            (
                "--sync-role backup --mcast-interface eth0 --mcast-group 10.0.0.1",
                "--sync-role: --mcast-group: 10.0.0.1 is not a multicast address",
            ),
            ("--set 1 x 3", "--set: 'x' is not a number of seconds"),
        ] {
            assert_eq!(refused(line), message, "{line}");
        }
        for address in ["10.0.0.1:", "10.0.0", "[10.0.0.1]:80", "[::1", "[::1]80", "host:80"] {
            assert!(
                refused(&format!("-A -t {address}")).starts_with("-A, --add-service: -t, --tcp-service: "),
                "{address}"
            );
        }
        for line in
            ["--nope", "-A -t", "-n -L", "-t 10.0.0.1:80 -A", "list", "-Cx", "--clear=1", "--set=1 2 3", "--", "-- -L"]
        {
            let error = invocation(line).unwrap_err();
            assert_eq!(error.kind, RuleErrorKind::Syntax, "{line}: {error}");
        }
    }

    #[test]
    fn tunnels_are_checked() {
        let forwarding = |line: &str| match command(&format!("-a -t 10.0.0.1:80 -r 192.168.1.10 {line}")) {
            Command::AddDestination(_, destination) => destination.forwarding,
            other => panic!("{other:?}"),
        };
        let (off, on, remote) = (TunnelChecksum::Off, TunnelChecksum::On, TunnelChecksum::Remote);
        for (line, tunnel) in [
            ("-i", Tunnel::Ipip),
            ("-i --tun-type ipip", Tunnel::Ipip),
            ("-i --tun-type gue --tun-port 6080", Tunnel::Gue { port: 6080, checksum: off }),
            ("-i --tun-type gue --tun-port 6080 --tun-csum", Tunnel::Gue { port: 6080, checksum: on }),
            ("--tun-remcsum --tun-port=6080 --tun-type=gue -i", Tunnel::Gue { port: 6080, checksum: remote }),
            ("-i --tun-type gre --tun-nocsum", Tunnel::Gre { checksum: off }),
            ("-i --tun-type gre --tun-csum", Tunnel::Gre { checksum: on }),
        ] {
            assert_eq!(forwarding(line), Forwarding::Tunnel(tunnel), "{line}");
        }
        for (line, message) in [
            ("-i --tun-type gue", "--tun-type: gue needs --tun-port"),
            ("-i --tun-type gue --tun-port 0", "--tun-type: a GUE tunnel needs a port, 1 to 65535"),
            ("-i --tun-port 6080", "--tun-port goes with --tun-type gue only, not ipip"),
            ("-i --tun-type gre --tun-port 6080", "--tun-port goes with --tun-type gue only, not gre"),
            ("-i --tun-type gre --tun-remcsum", "--tun-remcsum goes with --tun-type gue only, not gre"),
            ("-i --tun-csum", "--tun-csum goes with --tun-type gue or gre only, not ipip"),
            ("-m --tun-type gue --tun-port 6080", "--tun-type goes with -i, --ipip only"),
            ("-i --tun-type vxlan", "--tun-type: 'vxlan' is none of ipip, gue and gre"),
            (
                "-i --tun-type gue --tun-port 1 --tun-csum --tun-nocsum",
                "--tun-csum and --tun-nocsum exclude each other",
            ),
        ] {
            let refused = refused(&format!("-a -t 10.0.0.1:80 -r 192.168.1.10 {line}"));
            assert_eq!(refused, format!("-a, --add-server: {message}"));
        }
    }

    #[test]
    fn how_to_connect_goes_with_every_command() {
        let options = |line: &str| parse(line.split_whitespace(), &Numeric).unwrap().options;
        assert_eq!(options("-Ln"), Options::default());
        assert_eq!(options("-C --netns blue"), Options::default().with_netns("blue"));
        let timeout = |text: &str| options(&format!("-L --wait {text}")).timeout;
        assert_eq!(timeout("0"), Some(Duration::ZERO));
        assert_eq!(timeout("0.25"), Some(Duration::from_millis(250)));
        for wrong in ["-1", "x", "NaN", "inf", "1e300", ""] {
            assert!(parse(["-L".to_owned(), format!("--wait={wrong}")], &Numeric).is_err(), "{wrong}");
        }
        assert_eq!(refused("-C --netns="), "-C, --clear: --netns: the name of a network namespace is empty");
        assert_eq!(refused("-C --netns a --netns b"), "-C, --clear: --netns is given twice");
    }

    #[test]
    fn a_program_of_one_command_takes_its_options_only() {
        let save = |line: &str| parse_command(Name::Save.command().unwrap(), line.split_whitespace(), &Numeric);
        assert_eq!(save("-n").unwrap().invocation, Invocation::Save { numeric: true, output: None });
        assert_eq!(save("").unwrap().invocation, Invocation::Save { numeric: false, output: None });
        assert_eq!(save("--help").unwrap().invocation, Invocation::Help);
        assert_eq!(save("-v").unwrap().invocation, Invocation::Version);
        for wrong in ["-C", "-S", "-n -n", "-n --help", "file"] {
            assert_eq!(save(wrong).unwrap_err().kind, RuleErrorKind::Refused, "{wrong}");
        }
    }

    #[test]
    fn a_line_of_bytes_is_text_or_an_error() {
        let error = parse_line(b"-A -t \xff:80", 7, &Numeric).unwrap_err();
        assert_eq!(error.to_string(), "7:7: this is not UTF-8");
        let error = parse_line(b"-A -t 10.0.0.1:80\0", 7, &Numeric).unwrap_err();
        assert!(
            error.to_string().starts_with("7:7: -A, --add-service: -t, --tcp-service: in '10.0.0.1:80\u{fffd}'"),
            "{error}"
        );
        let error = parse_line(format!("-A -t {}", "x".repeat(1 << 20)).as_bytes(), 7, &Numeric).unwrap_err();
        assert!(error.message.ends_with("xx…") && error.message.chars().count() == 401, "{error}");
    }

    #[test]
    fn names_go_through_the_resolver() {
        struct Names;
        impl Resolver for Names {
            fn host(&self, name: &str, family: Option<Family>) -> Option<IpAddr> {
                match (name, family) {
                    ("four" | "both", None) => "10.0.0.1".parse().ok(),
                    ("six", _) | ("both", Some(Family::Ipv6)) => "2001:db8::1".parse().ok(),
                    _ => None,
                }
            }
            fn port(&self, name: &str, protocol: Protocol) -> Option<u16> {
                (name == "domain" && protocol == Protocol::Udp).then_some(53)
            }
            fn on_unknown(&self) -> &'static str {
                "no such name is known"
            }
        }
        let id = |line: &str| match parse(line.split_whitespace(), &Names).map(|call| call.invocation) {
            Ok(Invocation::Change(Command::DeleteService(id))) => id.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(id("-D -u four:domain"), "udp://10.0.0.1:53");
        assert_eq!(id("-D -t six:80"), "tcp://[2001:db8::1]:80");
        assert_eq!(id("-D -u [2001:db8::2]:domain"), "udp://[2001:db8::2]:53");
        assert_eq!(id("-D -t both:80"), "tcp://10.0.0.1:80");
        assert_eq!(id("-D -u [both]:domain"), "udp://[2001:db8::1]:53");
        assert_eq!(id("-D -u [six]:domain"), "udp://[2001:db8::1]:53");
        for line in ["-D -t four:domain", "-D -u five:domain", "-D -u [four]:domain", "-D -u [::1]x"] {
            assert!(parse(line.split_whitespace(), &Names).is_err(), "{line}");
        }
    }

    #[test]
    fn a_file_of_rules_is_read_line_by_line() {
        let text = "# a comment\n\n-A -t 10.0.0.1:80 -s rr # and why\n  ipvsadm -C\n-Ln\n\t\n";
        let lines: Vec<Line> = parse_rules(text, &Numeric).collect::<Result<_, _>>().unwrap();
        assert_eq!(lines.iter().map(|line| line.number).collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!(lines[1].invocation, Invocation::Change(Command::Flush));
    }

    #[test]
    fn words_stand_between_blanks_and_before_a_comment() {
        for (line, expected) in [
            ("ipvsadm", &[][..]),
            ("ipvsadm # x", &[]),
            ("\tipvsadm\t-C", &["-C"]),
            ("ipvsadmx -C", &["ipvsadmx", "-C"]),
            ("ipvsadm#x", &["ipvsadm#x"]),
            ("ipvsadm ipvsadm", &["ipvsadm"]),
            ("-s rr#x", &["-s", "rr#x"]),
            ("-s #rr", &["-s"]),
            ("-C\r", &["-C"]),
            ("-s\x0crr", &["-s", "rr"]),
            ("-s\x0brr", &["-s\x0brr"]),
        ] {
            assert_eq!(words(line).collect::<Vec<_>>(), expected, "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn words_are_as_the_standard_library_splits_them(line in "(ipvsadm| ){0,2}[-a#é \t\r\x0b\x0c\u{85}\u{2003}]{0,20}") {
            let plain = line.split_ascii_whitespace().take_while(|word| !word.starts_with('#'));
            let plain = plain.enumerate().filter(|(place, word)| (*place, *word) != (0, "ipvsadm")).map(|(_, word)| word);
            prop_assert_eq!(words(&line).collect::<Vec<_>>(), plain.collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_does_not_go_within_rules_is_refused_there() {
        for name in NOT_IN_RULES {
            let spec = name.spec();
            let value = if matches!(spec.value, Value::None) { "" } else { " 1" };
            let option = format!("--{}{value}", spec.long);
            let line = if name.command().is_some() { option } else { format!("-L {option}") };
            let error = parse_line(line.as_bytes(), 1, &Numeric).unwrap_err();
            assert!(error.to_string().contains("does not go within rules"), "{line}: {error}");
        }
        // How the program is run is no line's business.
        assert!(EVERYWHERE.iter().all(|name| *name == Name::Sort || NOT_IN_RULES.contains(name)));
    }

    #[test]
    fn an_error_has_its_line_and_column() {
        for (text, place) in [
            ("-C\n-A -t nowhere:80\n", "2:7: "),
            ("-A -t 10.0.0.1:80  -w 5", "1:20: "),
            ("  ipvsadm -A -t 10.0.0.1:80 -s", "1:29: "),
            ("ipvsadm -Q", "1:9: "),
            ("  -A -s rr", "1:3: "),
            ("-a -t 10.0.0.1:80 -r 10.0.0.2 -mw x", "1:35: "),
            ("--set 1 2 ü", "1:11: "),
            ("-C\n-Ln --netns blue", "2:5: "),
            ("-S --output /etc/passwd", "1:4: "),
            ("  -R", "1:3: "),
            ("  --apply", "1:3: "),
            ("--watch", "1:1: "),
            ("--drain -t 10.0.0.1:80 -r 10.0.0.2", "1:1: "),
            ("ipvsadm ipvsadm -C", "1:9: "),
            ("-A -t 10.0.0.1:80 ü -s", "1:19: "),
            // What only the whole object shows stands at the option that set it.
            ("-A -t 10.0.0.1:80 -p 60 -M 255.0.255.0", "1:28: "),
            ("-A -t 10.0.0.1:80 -o", "1:19: "),
            ("-A -t 10.0.0.1:0", "1:7: "),
            ("-A -f 1 -p 4294968", "1:12: "),
            ("-a -t 10.0.0.1:80 -r 192.168.1.1 -w 2147483648", "1:37: "),
            ("-a -t 10.0.0.1:80 -r 192.168.1.1 -x 1 -y 2", "1:42: "),
            ("-a -t 10.0.0.1:80 -r [2001:db8::1]:80", "1:22: "),
            ("--set 2147484 0 21474837", "1:17: "),
            ("--start-daemon master --mcast-interface sixteen-bytes-xx", "1:41: "),
            ("--start-daemon master --mcast-interface lo --mcast-group 10.0.0.1", "1:58: "),
        ] {
            let error = parse_rules(text, &Numeric).find_map(Result::err).unwrap();
            assert!(error.to_string().starts_with(place), "{text}: {error}");
        }
    }
}
