//! The option table: every option of the command language, and which go with which command.

/// Whether an option takes a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// It takes none.
    None,
    /// It takes one, called so in the help.
    One(&'static str),
    /// It takes the next argument if that is not an option, called so in the help.
    Optional(&'static str),
    /// It takes three, called so in the help.
    Three(&'static str),
}

/// One option.
#[derive(Debug)]
pub struct OptionSpec {
    /// Which one it is.
    pub name: Name,
    /// Its one-letter forms; the first is the usual one.
    pub short: &'static [char],
    /// Its long form, without the dashes.
    pub long: &'static str,
    /// Its value.
    pub value: Value,
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

const ADDRESS: Value = Value::One("ADDRESS[:PORT]");

options! {
    AddService       ['A']      "add-service"    Value::None, "add a virtual service";
    EditService      ['E']      "edit-service"   Value::None, "change the settings of a virtual service";
    DeleteService    ['D']      "delete-service" Value::None, "delete a virtual service and its real servers";
    Clear            ['C']      "clear"          Value::None, "delete every virtual service";
    AddServer        ['a']      "add-server"     Value::None, "add a real server to a virtual service";
    EditServer       ['e']      "edit-server"    Value::None, "change the settings of a real server";
    DeleteServer     ['d']      "delete-server"  Value::None, "delete a real server of a virtual service";
    Drain            []         "drain"          Value::None,
        "take a real server out softly: weight 0, a wait until its connections are gone, then delete it";
    List             ['L', 'l'] "list"           Value::None, "list the table, or one virtual service";
    Watch            []         "watch"          Value::None,
        "write each change of the table, a line each, as it is seen: the table is read once an interval";
    Zero             ['Z']      "zero"           Value::None, "zero the counters of all virtual services, or of one";
    Set              []         "set"            Value::Three("TCP TCPFIN UDP"),
        "how many seconds an idle connection is remembered; 0 leaves the time in force";
    StartDaemon      []         "start-daemon"   Value::One("master|backup"), "start a connection synchronization daemon";
    StopDaemon       []         "stop-daemon"    Value::One("master|backup"), "stop a connection synchronization daemon";
    SyncRole         []         "sync-role"      Value::One("master|backup|none"),
        "run this connection synchronization daemon and no other; one that runs so already goes on";
    Restore          ['R']      "restore"        Value::None, "run the rules on standard input, a command a line";
    Apply            []         "apply"          Value::None,
        "make the table what the rules on standard input describe; what is right already is not touched";
    Save             ['S']      "save"           Value::None, "write the table as rules that -R reads";
    Help             ['h']      "help"           Value::None, "show this help";
    Version          ['v']      "version"        Value::None, "show the version";
    Generate         []         "generate"       Value::One("man|bash|zsh|fish"),
        "write the manual page, or completions for a shell";
    TcpService       ['t']      "tcp-service"    ADDRESS, "the TCP service at this address";
    UdpService       ['u']      "udp-service"    ADDRESS, "the UDP service at this address";
    SctpService      []         "sctp-service"   ADDRESS, "the SCTP service at this address";
    FwmarkService    ['f']      "fwmark-service" Value::One("MARK"), "the service for packets with this firewall mark";
    Ipv6             ['6']      "ipv6"           Value::None, "with -f: the IPv6 packets with the mark";
    Scheduler        ['s']      "scheduler"      Value::One("NAME"), "how new connections are shared out (default wlc)";
    SchedFlags       ['b']      "sched-flags"    Value::One("FLAG[,FLAG...]"),
        "flags of the scheduler: sh-fallback, sh-port, mh-fallback, mh-port, or flag-1 to flag-3 of another";
    Persistent       ['p']      "persistent"     Value::Optional("SECONDS"),
        "persistence: so many seconds after its last connection a client still gets the same server (default 300); with \
         --drain, without a value: wait for such clients too";
    Netmask          ['M']      "netmask"        Value::One("NETMASK"),
        "with -p: clients of one network are one client; an IPv4 mask or an IPv6 prefix length (default each by itself)";
    PersistEngine    []         "pe"             Value::One("NAME"), "persistence engine: what names a client instead of its address (sip)";
    OnePacket        ['o']      "ops"            Value::None, "schedule every datagram by itself";
    RealServer       ['r']      "real-server"    ADDRESS, "the real server; its port defaults to the service's";
    Gatewaying       ['g']      "gatewaying"     Value::None, "reach the real server by direct routing (default)";
    Ipip             ['i']      "ipip"           Value::None, "reach the real server through a tunnel";
    Masquerading     ['m']      "masquerading"   Value::None, "reach the real server by masquerading (NAT)";
    KeepPort         []         "keep-port"      Value::None,
        "with -g or -i: keep the real server's own port in the table, though nothing rewrites it";
    TunType          []         "tun-type"       Value::One("ipip|gue|gre"), "with -i: the kind of tunnel (default ipip)";
    TunPort          []         "tun-port"       Value::One("PORT"), "with --tun-type gue: the tunnel's UDP port";
    TunNocsum        []         "tun-nocsum"     Value::None, "with gue or gre: no checksum (default)";
    TunCsum          []         "tun-csum"       Value::None, "with gue or gre: a checksum";
    TunRemcsum       []         "tun-remcsum"    Value::None, "with gue: remote checksum offload";
    Weight           ['w']      "weight"         Value::One("NUMBER"),
        "share of new connections, 0 to 2147483647 (default 1)";
    UThreshold       ['x']      "u-threshold"    Value::One("NUMBER"),
        "upper threshold: with so many connections the server gets no new ones (default 0, no limit)";
    LThreshold       ['y']      "l-threshold"    Value::One("NUMBER"),
        "lower threshold: below so many it gets new ones again (default 0, three quarters of -x)";
    SyncId           []         "syncid"         Value::One("ID"),
        "id of the group of directors that hear each other, 0 to 255 (default 0, all of them)";
    SyncMaxlen       []         "sync-maxlen"    Value::One("BYTES"), "longest message, 1 to 65507";
    McastInterface   []         "mcast-interface" Value::One("NAME"), "the network interface for the messages (default eth0, but --sync-role needs it)";
    McastGroup       []         "mcast-group"    Value::One("ADDRESS"), "their multicast address (default 224.0.0.81)";
    McastPort        []         "mcast-port"     Value::One("PORT"), "their UDP port (default 8848)";
    McastTtl         []         "mcast-ttl"      Value::One("NUMBER"), "their time to live (TTL): how many routers they pass (default 1)";
    Connection       ['c']      "connection"     Value::None, "list the connections";
    Timeout          []         "timeout"        Value::None, "show how long idle connections are remembered";
    Daemon           []         "daemon"         Value::None, "list the connection synchronization daemons";
    Stats            []         "stats"          Value::None, "show counters";
    Rate             []         "rate"           Value::None, "show how fast the counters grow in a second";
    Exact            []         "exact"          Value::None, "show large counters in full, not in thousands and more";
    Thresholds       []         "thresholds"     Value::None, "show the thresholds of real servers";
    PersistentConn   []         "persistent-conn" Value::None,
        "show how many clients stay with each real server; with -c: what the persistence engine knows";
    TunInfo          []         "tun-info"       Value::None, "show the kinds of tunnels";
    Nosort           []         "nosort"         Value::None, "list in the kernel's order";
    Numeric          ['n']      "numeric"        Value::None, "show numbers instead of names";
    Sort             []         "sort"           Value::None, "list in order: always so, unless --nosort is given";
    Json             []         "json"           Value::None,
        "as JSON, always with numbers; with -c and --watch, a line for each";
    Interval         []         "interval"       Value::One("SECONDS"), "how often the table is read (default 1)";
    Output           []         "output"         Value::One("FILE"), "write to this file, replaced when all is written";
    KeepGoing        []         "keep-going"     Value::None, "leave out lines that are no rules, and run the others";
    Stream           []         "stream"         Value::None, "run each line as it arrives, before the next is read";
    DryRun           []         "dry-run"        Value::None, "write what would be done as rules, and do nothing";
    Scope            []         "scope"          Value::One("SCOPE"),
        "touch only this: an id (tcp://10.0.0.1:80), a network (10.0.0.0/24), marks (fwmark:1-99) (default all)";
    Rollback         []         "rollback"       Value::None,
        "if anything is refused, restore the settings from before; what was deleted has new counters then";
    Deadline         []         "deadline"       Value::One("SECONDS"),
        "delete it after so many seconds, even if it has connections then (default never)";
    Inactive         []         "inactive"       Value::None,
        "wait for inactive connections too, for TCP those that begin or end; with UDP always so";
    Verbose          []         "verbose"        Value::None, "say what was done, or is waited for";
    Netns            []         "netns"          Value::One("NAME"), "in this network namespace, by its name or path";
    Wait             []         "wait"           Value::One("SECONDS"),
        "how long to wait for each answer of the kernel (default 5; 0, for ever)";
}

/// The option of every letter, so that a long file of rules is read fast.
const BY_LETTER: [Option<Name>; 128] = {
    let mut table = [None; 128];
    let mut row = 0;
    while row < OPTIONS.len() {
        let mut letter = 0;
        while letter < OPTIONS[row].short.len() {
            table[OPTIONS[row].short[letter] as usize] = Some(OPTIONS[row].name);
            letter += 1;
        }
        row += 1;
    }
    table
};

/// What a command takes besides itself.
#[derive(Debug)]
pub struct CommandSpec {
    /// The option that is the command.
    pub command: Name,
    /// Of each row exactly one has to be there.
    pub required: &'static [&'static [Name]],
    /// Of each row at most one may be there.
    pub optional: &'static [&'static [Name]],
    /// What it takes as all commands that ask the kernel do.
    pub everywhere: &'static [Name],
    /// Of what takes a value or none, what takes none here.
    pub without_value: &'static [Name],
    /// What is on one side does not go with what is on the other.
    pub conflicts: &'static [(&'static [Name], &'static [Name])],
    /// The row of each option, from 1, required rows first: a long file of rules is read faster so.
    rows: [u8; OPTIONS.len()],
}

impl CommandSpec {
    const fn new(command: Name, required: &'static [&'static [Name]], optional: &'static [&'static [Name]]) -> Self {
        Self::with(command, required, optional, EVERYWHERE)
    }

    /// One that does not ask the kernel.
    const fn offline(command: Name) -> Self {
        Self::with(command, &[], &[], &[])
    }

    const fn with(
        command: Name,
        required: &'static [&'static [Name]],
        optional: &'static [&'static [Name]],
        everywhere: &'static [Name],
    ) -> Self {
        let mut rows = [0; OPTIONS.len()];
        let (mut row, mut number) = (0, 0);
        while row < required.len() + optional.len() + everywhere.len() {
            let names = if row < required.len() {
                required[row]
            } else if row < required.len() + optional.len() {
                optional[row - required.len()]
            } else {
                std::slice::from_ref(&everywhere[row - required.len() - optional.len()])
            };
            row += 1;
            number += 1;
            let mut name = 0;
            while name < names.len() {
                rows[names[name] as usize] = number;
                name += 1;
            }
        }
        Self { command, required, optional, everywhere, without_value: &[], conflicts: &[], rows }
    }

    /// The number of the row that the option is in, the required rows first; nothing if the command does not take it.
    pub(super) fn row(&self, name: Name) -> Option<u8> {
        self.rows[name as usize].checked_sub(1)
    }
}

const _: () = assert!(OPTIONS.len() <= 128, "each has a bit");

/// What goes with every command that asks the kernel, at most once.
pub const EVERYWHERE: &[Name] = &[Name::Sort, Name::Netns, Name::Wait];

/// What may be given more than once.
pub const REPEATED: &[Name] = &[Name::Sort, Name::Scope, Name::Ipv6];

/// What a line of a file of rules cannot be or have.
pub const NOT_IN_RULES: &[Name] = &[
    Name::Restore,
    Name::Apply,
    Name::Drain,
    Name::Watch,
    Name::SyncRole,
    Name::Help,
    Name::Version,
    Name::Generate,
    Name::Output,
    Name::Netns,
    Name::Wait,
];

/// What a tunnel is set by.
pub(super) const OF_TUNNELS: &[Name] =
    &[Name::TunType, Name::TunPort, Name::TunNocsum, Name::TunCsum, Name::TunRemcsum];

/// What names a virtual service.
pub const SERVICE: &[Name] = &[Name::TcpService, Name::UdpService, Name::SctpService, Name::FwmarkService];
const SERVICE_SETTINGS: &[&[Name]] = &[
    &[Name::Ipv6],
    &[Name::Scheduler],
    &[Name::SchedFlags],
    &[Name::Persistent],
    &[Name::Netmask],
    &[Name::PersistEngine],
    &[Name::OnePacket],
];
const DAEMON: &[&[Name]] = &[
    &[Name::McastInterface],
    &[Name::SyncId],
    &[Name::SyncMaxlen],
    &[Name::McastGroup],
    &[Name::McastPort],
    &[Name::McastTtl],
];
const SERVER_SETTINGS: &[&[Name]] = &[
    &[Name::Ipv6],
    &[Name::Gatewaying, Name::Ipip, Name::Masquerading],
    &[Name::KeepPort],
    &[Name::TunType],
    &[Name::TunPort],
    &[Name::TunNocsum, Name::TunCsum, Name::TunRemcsum],
    &[Name::Weight],
    &[Name::UThreshold],
    &[Name::LThreshold],
];

/// Every command.
pub const COMMANDS: &[CommandSpec] = &[
    CommandSpec::new(Name::AddService, &[SERVICE], SERVICE_SETTINGS),
    CommandSpec::new(Name::EditService, &[SERVICE], SERVICE_SETTINGS),
    CommandSpec::new(Name::DeleteService, &[SERVICE], &[&[Name::Ipv6]]),
    CommandSpec::new(Name::Clear, &[], &[]),
    CommandSpec::new(Name::Restore, &[], &[&[Name::KeepGoing], &[Name::Stream], &[Name::Verbose]]),
    CommandSpec::new(Name::Apply, &[], &[&[Name::DryRun], &[Name::Scope], &[Name::Rollback], &[Name::Verbose]]),
    CommandSpec::new(Name::Save, &[], &[&[Name::Numeric], &[Name::Output]]),
    CommandSpec::new(Name::AddServer, &[SERVICE, &[Name::RealServer]], SERVER_SETTINGS),
    CommandSpec::new(Name::EditServer, &[SERVICE, &[Name::RealServer]], SERVER_SETTINGS),
    CommandSpec::new(Name::DeleteServer, &[SERVICE, &[Name::RealServer]], &[&[Name::Ipv6]]),
    CommandSpec {
        without_value: &[Name::Persistent],
        ..CommandSpec::new(
            Name::Drain,
            &[SERVICE, &[Name::RealServer]],
            &[&[Name::Ipv6], &[Name::Deadline], &[Name::Inactive], &[Name::Persistent], &[Name::Verbose]],
        )
    },
    CommandSpec {
        conflicts: &[
            (&[Name::Connection, Name::Timeout, Name::Daemon], &[Name::Stats, Name::Rate, Name::Thresholds]),
            (&[Name::Timeout, Name::Daemon], &[Name::PersistentConn]),
        ],
        ..CommandSpec::new(
            Name::List,
            &[],
            &[
                &[
                    Name::TcpService,
                    Name::UdpService,
                    Name::SctpService,
                    Name::FwmarkService,
                    Name::Connection,
                    Name::Timeout,
                    Name::Daemon,
                ],
                &[Name::Ipv6],
                &[Name::Numeric],
                &[Name::Stats],
                &[Name::Rate],
                &[Name::Exact],
                &[Name::Thresholds],
                &[Name::PersistentConn],
                &[Name::TunInfo],
                &[Name::Nosort],
                &[Name::Json],
            ],
        )
    },
    CommandSpec::new(Name::Watch, &[], &[&[Name::Interval], &[Name::Json]]),
    CommandSpec::new(Name::Zero, &[], &[SERVICE, &[Name::Ipv6]]),
    CommandSpec::new(Name::Set, &[], &[]),
    CommandSpec::new(Name::StartDaemon, &[], DAEMON),
    CommandSpec::new(Name::StopDaemon, &[], &[&[Name::SyncId]]),
    // The interface is needed with master and backup, and wrong with none.
    CommandSpec::new(Name::SyncRole, &[], DAEMON),
    CommandSpec::offline(Name::Help),
    CommandSpec::offline(Name::Version),
    CommandSpec::offline(Name::Generate),
];

/// The bits of these options.
pub(super) const fn bits(mut names: &[Name]) -> u128 {
    let mut bits = 0;
    while let [first, rest @ ..] = names {
        bits |= first.bit();
        names = rest;
    }
    bits
}

impl Name {
    /// The option that is written with this letter.
    #[must_use]
    pub fn of_letter(letter: char) -> Option<Self> {
        BY_LETTER.get(letter as usize).copied().flatten()
    }

    /// The option with this long form.
    #[must_use]
    pub fn of_long(long: &str) -> Option<Self> {
        OPTIONS.iter().find(|spec| spec.long == long).map(|spec| spec.name)
    }

    /// The bit that stands for it.
    pub(super) const fn bit(self) -> u128 {
        1 << self as u32
    }

    /// The row of the table.
    #[must_use]
    pub fn spec(self) -> &'static OptionSpec {
        &OPTIONS[self as usize]
    }

    /// What the command takes; nothing if it is no command.
    #[must_use]
    pub fn command(self) -> Option<&'static CommandSpec> {
        COMMANDS.iter().find(|spec| spec.command == self)
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
            assert_eq!(Name::of_long(spec.long), Some(spec.name));
            assert!(spec.short.iter().all(|letter| Name::of_letter(*letter) == Some(spec.name)), "{}", spec.long);
            for other in &OPTIONS[row + 1..] {
                assert_ne!(spec.long, other.long);
                assert!(!spec.short.iter().any(|letter| other.short.contains(letter)), "{}", spec.long);
            }
        }
    }

    #[test]
    fn every_option_is_a_command_or_goes_with_one() {
        for spec in OPTIONS {
            let used = EVERYWHERE.contains(&spec.name)
                || COMMANDS.iter().any(|command| {
                    command.command == spec.name
                        || [command.required, command.optional].concat().iter().any(|row| row.contains(&spec.name))
                });
            assert!(used, "{}", spec.long);
        }
    }
}
