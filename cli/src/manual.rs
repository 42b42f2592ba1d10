//! The manual page, in roff, made from the option table.

use std::fmt::Write as _;

use ipvs_core::rules::options::{COMMANDS, Name, OPTIONS};
use ipvs_core::scheduler;

use crate::help::{form, service_forms, with_value};

/// What stands around the parts that the table makes.
const DESCRIPTION: &str = "
ipvsadm sets up, changes and lists the table of IPVS, the layer-4 load balancer in the Linux kernel.
A virtual service, named by protocol, address and port or by a firewall mark, hands each new connection to one of its
real servers, which its scheduler chooses.
The first option is the command; the others follow in any order.
Options of one letter may be combined, as in -Ln, and a long option may have its value behind a =.
.PP
An address is a number or a name, an IPv6 one stands in brackets if a port follows: [2001:db8::1]:80.
A port is a number or a name of /etc/services.
Of a host's addresses the first IPv4 one is taken, or the first if it has none; of a name in brackets the first IPv6 one.
.PP
All is checked before anything is sent to the kernel.
The kernel wants CAP_NET_ADMIN for all that it is asked, for reading too, but for -L -c; --netns wants CAP_SYS_ADMIN besides.
";

const RULES: &str = "
-S writes the table as rules, a command a line, and -R runs such lines.
A line may begin with the word ipvsadm; empty lines and what follows a # at the start of a word are nothing.
All lines are read and checked before the first is run; one that is wrong is shown with its number, and nothing is done.
With --keep-going the others are run; with --stream each line is run as it arrives.
A command that the kernel refuses is reported with its number, and the others are run.
-L and -S may be among the lines, and see what came before them.
.PP
ipvsadm-save is ipvsadm -S.
ipvsadm-restore is ipvsadm -R, but deletes all virtual services first, once all lines are known to be right.
Both take the options of these commands.
";

const APPLY: &str = "
--apply reads rules as -R does, and makes the table the one that they would make of an empty one, with the fewest commands.
What is right already is not touched and keeps its counters and connections, what differs is edited in place,
and what adds comes before what takes away: a service that has servers before and after has one all the time in between.
Applied twice, it does nothing the second time, which the exit status says.
A table that others change meanwhile is looked at again, five times in all.
Rules without a command are refused, as what should have written them may have failed; the rule -C is an empty table.
.PP
With --scope, which may be repeated, the rest of the table is never touched; rules outside of it are an error.
Addresses are numbers there.
If the kernel refuses anything that adds, what takes away is held back where nobody would be left to answer; all that was done and
was not is said, each by its rule.
--dry-run writes the rules that would be run to standard output; its exit status is the one that --apply would have.
.PP
What was changed goes to the system's log, facility daemon, with the user and the program that asked for it.
";

const DRAIN: &str = "
--drain sets the weight of a real server to 0, waits until its active connections are gone, and deletes it.
It waits for inactive ones too with --inactive, and always with UDP, which has no others;
with --persistent also until no client is bound to it by persistence.
Such a client still makes new connections to a server of weight 0 unless the setting expire_quiescent_template is on:
without it and without --deadline that may take for ever.
On a terminal a line shows what is waited for, and with --verbose it is written as it changes.
.PP
The exit status is 0 when the server is deleted, with no connections or at the deadline,
and 255 when somebody else deletes it or gives it a weight meanwhile: then it is left alone.
An interrupt restores the weight and says so.
What was changed goes to the system's log, as with --apply.
";

const WATCH: &str = "
The kernel tells nobody of a change. --watch reads the whole table once an interval, compares it with the one before, and
writes what differs, a line each with the time in UTC: what was added, removed or changed, field by field,
where new connections begin or end, and counters that went back.
That costs a -L an interval, and the memory for two tables; what comes and goes within an interval is not seen.
It ends when it is interrupted, or when nobody reads its output any more.
";

const JSON: &str = "
With --json the table is one object, {\"version\", \"connection_table_size\", \"services\"}; the connections are an object a line;
with --watch it is an object for each change; timeouts and daemons are {\"timeouts\"} and {\"sync_daemons\"}.
Addresses and ports are numbers, and all counters are there, whichever columns are asked for.
Absent values are null, and keys may be added, never changed.
";

const STATUS: &str = "
0: all was done; with --apply, the table was changed.
.br
1: a listing failed, or --watch; or the arguments of ipvsadm-save are wrong.
.br
2: the arguments or a line of rules make no command, CAP_NET_ADMIN is missing, or the kernel has no IPVS.
.br
3: --apply had nothing to do: the table is as it should be.
.br
255: the kernel refused, or an option or the command of a line is unknown.
.br
129, 130 or 143: a signal ended -R, --drain or --watch.
";

const FILES: &str = "
/proc/net/ip_vs, /proc/net/ip_vs_conn, /proc/net/ip_vs_stats: the table, the connections and the counters as text
.br
/proc/sys/net/ipv4/vs: settings
.br
/run/netns: named network namespaces
.br
/dev/log: the system's log
";

const EXAMPLES: &str = "
A service that two servers share, and the weight of one set to 0, so that it gets no new connections:
.PP
.nf
ipvsadm -A -t 192.0.2.1:80 -s wrr
ipvsadm -a -t 192.0.2.1:80 -r 10.1.1.10:8080 -m -w 5
ipvsadm -a -t 192.0.2.1:80 -r 10.1.1.11:8080 -m -w 5
ipvsadm -e -t 192.0.2.1:80 -r 10.1.1.11:8080 -m -w 0
.fi
.PP
The table to a file and back:
.PP
.nf
ipvsadm-save -n --output /etc/ipvsadm.rules
ipvsadm-restore < /etc/ipvsadm.rules
.fi
.PP
A reload without a hole, in a unit of systemd's with SuccessExitStatus=3:
.PP
.nf
ipvsadm --apply --scope 192.0.2.0/24 < /etc/ipvsadm.rules
.fi
.PP
The servers with their weights, by jq:
.PP
.nf
ipvsadm -L --json | jq -r '.services[].destinations[] | [.id, .weight] | @tsv'
.fi
";

/// The page.
pub(crate) fn page() -> String {
    let mut page = format!(".TH IPVSADM 8 \"\" \"ipvs {}\" \"System administration\"\n", env!("CARGO_PKG_VERSION"));
    let mut section = |title: &str, text: &str| {
        let _ = write!(page, ".SH {title}\n{}\n", text.trim());
    };
    section("NAME", "ipvsadm, ipvsadm\\-save, ipvsadm\\-restore \\- steer the load balancer in the Linux kernel");
    let mut synopsis = String::from(".PD 0\n.B ipvsadm\n");
    for command in COMMANDS {
        let _ = writeln!(synopsis, ".HP 8\n.B ipvsadm {}", escaped(&form(command)));
    }
    let _ = write!(synopsis, ".PD\n.PP\nSERVICE is one of {}", escaped(&service_forms()));
    section("SYNOPSIS", &synopsis);
    section("DESCRIPTION", &escaped(DESCRIPTION));
    section("COMMANDS", &entries(&mut COMMANDS.iter().map(|command| command.command)));
    let others = OPTIONS.iter().map(|spec| spec.name).filter(|name| name.command().is_none());
    section("OPTIONS", &entries(&mut { others }));
    let mut schedulers =
        String::from("The kernel has them as modules ip_vs_NAME, and loads the one that is asked for.\n");
    for (name, does) in scheduler::ALL {
        let _ = writeln!(schedulers, ".TP\n.B {name}\n{}", escaped(does));
    }
    section("SCHEDULERS", &schedulers);
    section("RULES", &escaped(RULES));
    section("APPLY", &escaped(APPLY));
    section("DRAIN", &escaped(DRAIN));
    section("WATCH", &escaped(WATCH));
    section("JSON", &escaped(JSON));
    section("EXIT STATUS", &escaped(STATUS));
    section("FILES", &escaped(FILES));
    section("EXAMPLES", &escaped(EXAMPLES));
    section("SEE ALSO", "ip\\-netns(8), modprobe(8), proc(5)");
    page
}

fn entries(names: &mut dyn Iterator<Item = Name>) -> String {
    names.fold(String::new(), |mut entries, name| {
        let form = escaped(&with_value(name, &name.usage()));
        let _ = writeln!(entries, ".TP\n.B {form}\n{}", escaped(name.spec().help));
        entries
    })
}

/// Text for roff, where a dash is a hyphen unless it is said to be one to type.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}
