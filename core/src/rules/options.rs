//! The option table: every option of the command language, and which go with which command.

/// One option.
#[derive(Debug)]
pub struct OptionSpec {
    /// Which one it is.
    pub name: Name,
    /// Its one-letter forms; the first is the usual one.
    pub short: &'static [char],
    /// Its long form, without the dashes.
    pub long: &'static str,
    /// What its value is called in the help; nothing for an option without a value.
    pub value: Option<&'static str>,
    /// What it does, in a few words.
    pub help: &'static str,
}

macro_rules! options {
    ($($name:ident $short:tt $long:literal $value:expr, $help:literal;)+) => {
        /// The options by name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the table says what each is")]
        pub enum Name { $($name,)+ }

        /// Every option, in the order of the help.
        pub const OPTIONS: &[OptionSpec] = &[
            $(OptionSpec { name: Name::$name, short: &$short, long: $long, value: $value, help: $help },)+
        ];
    };
}

options! {
    AddService       ['A']      "add-service"    None, "add a virtual service";
    EditService      ['E']      "edit-service"   None, "change the settings of a virtual service";
    DeleteService    ['D']      "delete-service" None, "delete a virtual service and its real servers";
    Clear            ['C']      "clear"          None, "delete every virtual service";
    AddServer        ['a']      "add-server"     None, "add a real server to a virtual service";
    EditServer       ['e']      "edit-server"    None, "change the settings of a real server";
    DeleteServer     ['d']      "delete-server"  None, "delete a real server of a virtual service";
    List             ['L', 'l'] "list"           None, "list the table, or one virtual service";
    Help             ['h']      "help"           None, "show this help";
    TcpService       ['t']      "tcp-service"    Some("ADDRESS[:PORT]"), "the TCP service at this address";
    UdpService       ['u']      "udp-service"    Some("ADDRESS[:PORT]"), "the UDP service at this address";
    Scheduler        ['s']      "scheduler"      Some("NAME"), "how new connections are shared out (default wlc)";
    RealServer       ['r']      "real-server"    Some("ADDRESS[:PORT]"), "the real server; its port defaults to the service's";
    Gatewaying       ['g']      "gatewaying"     None, "reach the real server by direct routing (default)";
    Ipip             ['i']      "ipip"           None, "reach the real server through a tunnel";
    Masquerading     ['m']      "masquerading"   None, "reach the real server by masquerading (NAT)";
    Weight           ['w']      "weight"         Some("NUMBER"), "share of new connections, 0 to 2147483647 (default 1)";
    Numeric          ['n']      "numeric"        None, "show numbers instead of names";
    Stats            []         "stats"          None, "show counters";
}

/// What a command takes besides itself.
#[derive(Debug)]
pub struct CommandSpec {
    /// The option that is the command.
    pub command: Name,
    /// Of each row exactly one has to be there.
    pub required: &'static [&'static [Name]],
    /// Of each row at most one may be there.
    pub optional: &'static [&'static [Name]],
}

const SERVICE: &[Name] = &[Name::TcpService, Name::UdpService];
const FORWARDING: &[Name] = &[Name::Gatewaying, Name::Ipip, Name::Masquerading];

/// Every command.
pub const COMMANDS: &[CommandSpec] = &[
    CommandSpec { command: Name::AddService, required: &[SERVICE], optional: &[&[Name::Scheduler]] },
    CommandSpec { command: Name::EditService, required: &[SERVICE], optional: &[&[Name::Scheduler]] },
    CommandSpec { command: Name::DeleteService, required: &[SERVICE], optional: &[] },
    CommandSpec { command: Name::Clear, required: &[], optional: &[] },
    CommandSpec {
        command: Name::AddServer,
        required: &[SERVICE, &[Name::RealServer]],
        optional: &[FORWARDING, &[Name::Weight]],
    },
    CommandSpec {
        command: Name::EditServer,
        required: &[SERVICE, &[Name::RealServer]],
        optional: &[FORWARDING, &[Name::Weight]],
    },
    CommandSpec { command: Name::DeleteServer, required: &[SERVICE, &[Name::RealServer]], optional: &[] },
    CommandSpec { command: Name::List, required: &[], optional: &[SERVICE, &[Name::Numeric], &[Name::Stats]] },
    CommandSpec { command: Name::Help, required: &[], optional: &[] },
];

impl Name {
    /// The row of the table.
    #[must_use]
    pub fn spec(self) -> &'static OptionSpec {
        &OPTIONS[self as usize]
    }

    /// How a person writes it: `-A, --add-service`.
    #[must_use]
    pub fn usage(self) -> String {
        let long = self.spec().long;
        self.spec().short.first().map_or_else(|| format!("--{long}"), |letter| format!("-{letter}, --{long}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_has_its_own_row_and_names() {
        for (row, spec) in OPTIONS.iter().enumerate() {
            assert_eq!(spec.name as usize, row);
            for other in &OPTIONS[row + 1..] {
                assert_ne!(spec.long, other.long);
                assert!(!spec.short.iter().any(|letter| other.short.contains(letter)), "{}", spec.long);
            }
        }
    }

    #[test]
    fn every_option_is_a_command_or_goes_with_one() {
        for spec in OPTIONS {
            let used = COMMANDS.iter().any(|command| {
                command.command == spec.name
                    || [command.required, command.optional].concat().iter().any(|row| row.contains(&spec.name))
            });
            assert!(used, "{}", spec.long);
        }
    }
}
