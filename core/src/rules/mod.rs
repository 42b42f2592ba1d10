//! ipvsadm's command language: what its arguments and the lines of a saved table mean.
//!
//! The arguments are read by one table ([`options`]) and become one [`Command`] of objects that have been checked.

pub mod options;

use std::ffi::OsString;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use thiserror::Error as ThisError;

use crate::{
    DEFAULT_SCHEDULER, DEFAULT_WEIGHT, Destination, Forwarding, InvalidArgument, Protocol, Service, ServiceId,
};
use options::{COMMANDS, CommandSpec, Name, OPTIONS};

/// One command, complete and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `-A`: add a service.
    AddService(Service),
    /// `-E`: change a service's settings.
    EditService(Service),
    /// `-D`: delete a service.
    DeleteService(ServiceId),
    /// `-C`: delete all services.
    Clear,
    /// `-a`: add a destination.
    AddDestination(ServiceId, Destination),
    /// `-e`: change a destination's settings.
    EditDestination(ServiceId, Destination),
    /// `-d`: delete a destination.
    DeleteDestination(ServiceId, SocketAddr),
    /// `-L`: list.
    List(List),
    /// `-h`: show the help.
    Help,
}

/// What to list, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct List {
    /// Only this service.
    pub service: Option<ServiceId>,
    /// `-n`: numbers instead of names.
    pub numeric: bool,
    /// `--stats`: counters.
    pub stats: bool,
}

/// Why arguments are no command. Nothing was done.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum RuleError {
    /// There is no such option, an argument too many, or a value missing or too many.
    #[error("{0}")]
    Syntax(String),
    /// The options are known but do not make a command.
    #[error("{0}")]
    Refused(String),
}

impl From<InvalidArgument> for RuleError {
    fn from(argument: InvalidArgument) -> Self {
        Self::Refused(argument.to_string())
    }
}

impl From<lexopt::Error> for RuleError {
    fn from(error: lexopt::Error) -> Self {
        Self::Syntax(error.to_string())
    }
}

/// Reads the arguments of one call, without the program's name. No arguments at all list the table.
pub fn parse(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Result<Command, RuleError> {
    let mut given = Given::read(lexopt::Parser::from_args(arguments))?;
    let Some((command, _)) = given.options.first().cloned() else {
        return Ok(Command::List(List::default()));
    };
    let spec = COMMANDS.iter().find(|spec| spec.command == command).ok_or_else(|| {
        RuleError::Syntax(format!("{} is not a command; the command comes first, see --help", command.usage()))
    })?;
    given.options.remove(0);
    given.check(spec)?;
    given.command(command)
}

/// The options of one call, as typed.
struct Given {
    options: Vec<(Name, String)>,
}

impl Given {
    fn read(mut parser: lexopt::Parser) -> Result<Self, RuleError> {
        let mut options = Vec::new();
        while let Some(argument) = parser.next()? {
            let spec = match argument {
                lexopt::Arg::Short(letter) => OPTIONS.iter().find(|spec| spec.short.contains(&letter)),
                lexopt::Arg::Long(long) => OPTIONS.iter().find(|spec| spec.long == long),
                lexopt::Arg::Value(value) if options.is_empty() => {
                    return Err(RuleError::Syntax(format!("'{}' is not a command, see --help", value.display())));
                }
                lexopt::Arg::Value(value) => {
                    return Err(RuleError::Refused(format!("unexpected argument {}", value.display())));
                }
            };
            let spec = spec.ok_or_else(|| argument.unexpected())?;
            let value = if spec.value.is_some() {
                let value = parser.value()?;
                value.into_string().map_err(|value| {
                    RuleError::Refused(format!("{}: '{}' is not text", spec.name.usage(), value.display()))
                })?
            } else {
                String::new()
            };
            options.push((spec.name, value));
        }
        Ok(Self { options })
    }

    /// Checks that all that a command needs is there, and nothing else.
    fn check(&self, spec: &CommandSpec) -> Result<(), RuleError> {
        let command = spec.command.usage();
        for (position, (name, _)) in self.options.iter().enumerate() {
            let row = spec.required.iter().chain(spec.optional).find(|row| row.contains(name));
            let row = row.ok_or_else(|| RuleError::Refused(format!("{} does not go with {command}", name.usage())))?;
            if let Some((before, _)) = self.options[..position].iter().find(|(before, _)| row.contains(before)) {
                return Err(RuleError::Refused(if before == name {
                    format!("{} is given twice", name.usage())
                } else {
                    format!("{} and {} exclude each other", before.usage(), name.usage())
                }));
            }
        }
        for row in spec.required {
            if !row.iter().any(|name| self.has(*name)) {
                let names: Vec<String> = row.iter().map(|name| name.usage()).collect();
                return Err(RuleError::Refused(format!("{command} needs {}", names.join(" or "))));
            }
        }
        Ok(())
    }

    fn has(&self, name: Name) -> bool {
        self.value(name).is_some()
    }

    fn value(&self, name: Name) -> Option<&str> {
        self.options.iter().find(|(given, _)| *given == name).map(|(_, value)| value.as_str())
    }

    fn command(&self, command: Name) -> Result<Command, RuleError> {
        Ok(match command {
            Name::AddService => Command::AddService(self.service()?),
            Name::EditService => Command::EditService(self.service()?),
            Name::DeleteService => Command::DeleteService(self.id()?),
            Name::Clear => Command::Clear,
            Name::AddServer => Command::AddDestination(self.id()?, self.destination()?),
            Name::EditServer => Command::EditDestination(self.id()?, self.destination()?),
            Name::DeleteServer => Command::DeleteDestination(self.id()?, self.destination_address()?),
            Name::List => Command::List(List {
                service: self.optional_id()?,
                numeric: self.has(Name::Numeric),
                stats: self.has(Name::Stats),
            }),
            _ => Command::Help,
        })
    }

    fn service(&self) -> Result<Service, RuleError> {
        let scheduler = self.value(Name::Scheduler).unwrap_or(DEFAULT_SCHEDULER);
        let service = Service::new(self.id()?).with_scheduler(scheduler);
        service.check()?;
        Ok(service)
    }

    fn destination(&self) -> Result<Destination, RuleError> {
        let forwarding = if self.has(Name::Masquerading) {
            Forwarding::Masquerade
        } else if self.has(Name::Ipip) {
            Forwarding::Tunnel
        } else {
            Forwarding::DirectRoute
        };
        let mut address = self.destination_address()?;
        if forwarding != Forwarding::Masquerade
            && let ServiceId::Address { address: service, .. } = self.id()?
        {
            // Nothing rewrites the port on these ways; ipvsadm has always put the service's in.
            address.set_port(service.port());
        }
        let weight = self.value(Name::Weight).map_or(Ok(DEFAULT_WEIGHT), |text| {
            text.parse()
                .map_err(|_| InvalidArgument::new("weight", format!("'{text}' is not a number from 0 to 2147483647")))
        })?;
        let destination = Destination::new(address).with_forwarding(forwarding).with_weight(weight);
        destination.check()?;
        Ok(destination)
    }

    fn destination_address(&self) -> Result<SocketAddr, RuleError> {
        let (address, port) = parse_address("real-server", self.value(Name::RealServer).unwrap_or_default())?;
        let port = match (port, self.id()?) {
            (Some(port), _) => port,
            (None, ServiceId::Address { address, .. }) => address.port(),
            (None, ServiceId::Fwmark { .. }) => 0,
        };
        Ok(SocketAddr::new(address, port))
    }

    fn id(&self) -> Result<ServiceId, RuleError> {
        self.optional_id()?.ok_or_else(|| RuleError::Refused("no virtual service is named".to_owned()))
    }

    fn optional_id(&self) -> Result<Option<ServiceId>, RuleError> {
        for (name, protocol) in [(Name::TcpService, Protocol::Tcp), (Name::UdpService, Protocol::Udp)] {
            if let Some(text) = self.value(name) {
                let (address, port) = parse_address(name.spec().long, text)?;
                let address = SocketAddr::new(address, port.unwrap_or_default());
                return Ok(Some(ServiceId::Address { protocol, address }));
            }
        }
        Ok(None)
    }
}

/// Reads `ADDRESS[:PORT]`. An IPv6 address with a port is in brackets; without them every colon is the address's.
fn parse_address(field: &'static str, text: &str) -> Result<(IpAddr, Option<u16>), InvalidArgument> {
    let wrong = || {
        InvalidArgument::new(
            field,
            format!("'{text}' is not an address; write 10.0.0.1, 10.0.0.1:80, 2001:db8::1 or [2001:db8::1]:80"),
        )
    };
    let port = |text: &str| text.parse().map(Some).map_err(|_| wrong());
    if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']').ok_or_else(wrong)?;
        let address: Ipv6Addr = address.parse().map_err(|_| wrong())?;
        return Ok((
            address.into(),
            rest.strip_prefix(':').map_or_else(|| if rest.is_empty() { Ok(None) } else { Err(wrong()) }, port)?,
        ));
    }
    if let Ok(address) = text.parse() {
        return Ok((address, None));
    }
    let (address, after) = text.split_once(':').ok_or_else(wrong)?;
    let address: std::net::Ipv4Addr = address.parse().map_err(|_| wrong())?;
    Ok((address.into(), port(after)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(line: &str) -> Result<Command, RuleError> {
        parse(line.split_whitespace())
    }

    fn refused(line: &str) -> String {
        match command(line) {
            Err(RuleError::Refused(text)) => text,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn commands_become_objects() {
        let id: ServiceId = "tcp://10.0.0.1:80".parse().unwrap();
        let web = Service::new(id);
        assert_eq!(command("-A -t 10.0.0.1:80"), Ok(Command::AddService(web.clone())));
        assert_eq!(command("-At 10.0.0.1:80"), Ok(Command::AddService(web.clone())));
        assert_eq!(
            command("--edit-service --scheduler=rr --tcp-service 10.0.0.1:80"),
            Ok(Command::EditService(web.with_scheduler("rr")))
        );
        assert_eq!(command("-D -t10.0.0.1:80"), Ok(Command::DeleteService(id)));
        assert_eq!(command("-C"), Ok(Command::Clear));
        let real = Destination::new("192.168.1.10:8080".parse().unwrap())
            .with_forwarding(Forwarding::Masquerade)
            .with_weight(5);
        assert_eq!(command("-a -t 10.0.0.1:80 -r 192.168.1.10:8080 -m -w 5"), Ok(Command::AddDestination(id, real)));
        assert_eq!(
            command("-d -t 10.0.0.1:80 -r 192.168.1.10"),
            Ok(Command::DeleteDestination(id, "192.168.1.10:80".parse().unwrap()))
        );
        assert_eq!(command(""), Ok(Command::List(List::default())));
        assert_eq!(
            command("-Ln -u [2001:db8::1]:53 --stats"),
            Ok(Command::List(List {
                service: Some("udp://[2001:db8::1]:53".parse().unwrap()),
                numeric: true,
                stats: true
            }))
        );
    }

    #[test]
    fn only_masquerading_keeps_another_port() {
        let port = |line: &str| match command(line) {
            Ok(Command::AddDestination(_, destination)) => destination.address.port(),
            other => panic!("{other:?}"),
        };
        assert_eq!(port("-a -t 10.0.0.1:80 -r 192.168.1.10:8080 -m"), 8080);
        assert_eq!(port("-a -t 10.0.0.1:80 -r 192.168.1.10:8080 -g"), 80);
        assert_eq!(port("-a -t 10.0.0.1:80 -r 192.168.1.10:8080"), 80);
        assert_eq!(port("-a -t 10.0.0.1:80 -r 192.168.1.10:8080 -i"), 80);
    }

    #[test]
    fn wrong_commands_say_what_is_right() {
        assert_eq!(refused("-A -s rr"), "-A, --add-service needs -t, --tcp-service or -u, --udp-service");
        assert_eq!(refused("-A -t 10.0.0.1:80 -w 3"), "-w, --weight does not go with -A, --add-service");
        assert_eq!(
            refused("-A -t 10.0.0.1:80 -u 10.0.0.1:80"),
            "-t, --tcp-service and -u, --udp-service exclude each other"
        );
        assert_eq!(refused("-A -t 10.0.0.1:80 -s rr -s rr"), "-s, --scheduler is given twice");
        assert_eq!(refused("-A -t 10.0.0.1:80 more"), "unexpected argument more");
        assert_eq!(
            refused("-a -t 10.0.0.1:80 -r 192.168.1.10 -w 2147483648"),
            "weight: 2147483648 is above 2147483647"
        );
        for address in ["10.0.0.1:99999", "10.0.0.1:", "10.0.0", "[10.0.0.1]:80", "[::1", "[::1]80", "::1:80:http"] {
            assert!(refused(&format!("-A -t {address}")).contains("is not an address"), "{address}");
        }
        for line in ["--nope", "-A -t", "-n -L", "-t 10.0.0.1:80 -A", "list", "-Cx", "--clear=1"] {
            assert!(matches!(command(line), Err(RuleError::Syntax(_))), "{line}");
        }
    }
}
