//! The settings of IPVS in a network namespace: `/proc/sys/net/ipv4/vs/*`. No I/O.

use std::fmt;

use crate::InvalidArgument;

/// What values a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SettingKind {
    /// Off or on, 0 or 1.
    Switch,
    /// A whole number within these bounds, both included.
    Number(i64, i64),
    /// A number that is a power of two, within these bounds.
    PowerOfTwo(i64, i64),
    /// Two numbers: a threshold and a period. The threshold is below the period unless that is 0.
    Threshold,
    /// Text.
    Text,
}

/// The value of a setting.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SettingValue {
    /// Off or on.
    Switch(bool),
    /// A whole number.
    Number(i64),
    /// A threshold and a period.
    Threshold(i64, i64),
    /// Text.
    Text(String),
}

impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch(on) => write!(f, "{}", u8::from(*on)),
            Self::Number(number) => write!(f, "{number}"),
            Self::Threshold(threshold, period) => write!(f, "{threshold} {period}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// A setting that some kernel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Setting {
    /// The file's name.
    pub name: &'static str,
    /// What values it takes.
    pub kind: SettingKind,
    /// What it does, with its unit.
    pub help: &'static str,
}

const INT_MAX: i64 = i32::MAX as i64;
const COUNT: SettingKind = SettingKind::Number(0, INT_MAX);
/// Seconds that the kernel keeps in its own unit, of which there are up to 1000 a second.
const SECONDS: SettingKind = SettingKind::Number(0, INT_MAX / 1000);
const MODE: SettingKind = SettingKind::Number(0, 3);
use SettingKind::{Number, PowerOfTwo, Switch, Text, Threshold};

macro_rules! settings {
    ($($name:ident $kind:expr, $help:literal;)+) => {
        /// Every setting known here, by name. A kernel has those of its version and of the modules that are loaded.
        pub const SETTINGS: &[Setting] = &[
            $(Setting { name: stringify!($name), kind: $kind, help: $help },)+
        ];
    };
}

// Names and meanings: Documentation/networking/ipvs-sysctl.rst; ranges: `vs_vars` in ip_vs_ctl.c.
settings! {
    am_droprate Number(1, INT_MAX), "with drop_entry or drop_packet at 3: one in so many is dropped";
    amemthresh COUNT, "available memory, in pages, below which the automatic defence strategies begin";
    backup_only Switch, "a director that runs as backup does not balance, against loops between directors";
    cache_bypass Switch, "connections to a transparent cache cluster without servers go straight to their destination";
    conn_lfactor Number(-8, 8), "load of the connection hash table: connections a bucket, as a power of two";
    conn_reuse_mode MODE, "what a new connection from a port of an old one does: 0 follows it, bit 1 schedules anew when \
        that is safe, bit 2 also while the old one is in FIN_WAIT";
    conntrack Switch, "connections are known to the connection tracking of netfilter too, so that its rules can match";
    debug_level Number(0, 12), "how much is logged, in kernels built for it";
    drop_entry MODE, "random connections are dropped when memory is short: 0 never, 1 and 2 automatic, 3 always";
    drop_packet MODE, "one in so many packets is dropped when memory is short: 0 never, 1 and 2 automatic, 3 always";
    est_cpulist Text, "the processors on which rates are estimated";
    est_nice Number(-20, 19), "the priority of estimating rates";
    expire_nodest_conn Switch, "a connection of a deleted destination ends at once instead of waiting for its return";
    expire_quiescent_template Switch, "a client's persistence ends when its server's weight becomes 0";
    ignore_tunneled Switch, "packets that came through a tunnel are not balanced again";
    lblc_expiration SECONDS, "seconds after which the scheduler lblc forgets an entry; there while its module is loaded";
    lblcr_expiration SECONDS, "seconds after which the scheduler lblcr forgets an entry; there while its module is loaded";
    nat_icmp_send Switch, "an ICMP error goes out when a masqueraded packet from a server has no connection";
    pmtu_disc Switch, "a packet that is too large for a tunnel is refused with an ICMP error instead of cut";
    run_estimation Switch, "rates are estimated; off, all counters of listings stand still";
    schedule_icmp Switch, "ICMP messages may be balanced too";
    secure_tcp MODE, "a stricter table of TCP states and timeouts: 0 never, 1 and 2 automatic, 3 always";
    sloppy_sctp Switch, "any SCTP packet makes a connection, not only the first of one";
    sloppy_tcp Switch, "any TCP packet makes a connection, not only the first of one";
    snat_reroute Switch, "a masqueraded packet from a server is routed again by its new source";
    svc_lfactor Number(-8, 8), "load of the service hash table: services a bucket, as a power of two";
    sync_persist_mode Switch, "a persistence template is synchronised by sync_threshold instead of with each connection";
    sync_ports PowerOfTwo(1, 64), "how many ports, and threads, a synchronisation daemon uses";
    sync_qlen_max COUNT, "how many messages may wait to be sent by the synchronisation daemon";
    sync_refresh_period SECONDS, "seconds between two messages about the same connection; 0 is by sync_threshold";
    sync_retries MODE, "how often a message about a new connection is repeated";
    sync_sock_size COUNT, "buffer of the synchronisation daemon's sockets in bytes; 0 is the system's";
    sync_threshold Threshold, "a connection is synchronised from so many packets on, and again every so many packets";
    sync_version Switch, "the synchronisation protocol: 0 is before Linux 2.6.39, 1 since";
    timeout_close SECONDS, "seconds in the state CLOSE, in old kernels";
    timeout_closewait SECONDS, "seconds in the state CLOSE_WAIT, in old kernels";
    timeout_established SECONDS, "seconds in the state ESTABLISHED, in old kernels";
    timeout_finwait SECONDS, "seconds in the state FIN_WAIT, in old kernels";
    timeout_icmp SECONDS, "seconds for ICMP, in old kernels";
    timeout_lastack SECONDS, "seconds in the state LAST_ACK, in old kernels";
    timeout_listen SECONDS, "seconds in the state LISTEN, in old kernels";
    timeout_synack SECONDS, "seconds in the state SYNACK, in old kernels";
    timeout_synrecv SECONDS, "seconds in the state SYN_RECV, in old kernels";
    timeout_synsent SECONDS, "seconds in the state SYN_SENT, in old kernels";
    timeout_timewait SECONDS, "seconds in the state TIME_WAIT, in old kernels";
    timeout_udp SECONDS, "seconds for UDP, in old kernels";
}

impl Setting {
    /// The setting of this name.
    pub fn named(name: &str) -> Result<&'static Self, InvalidArgument> {
        SETTINGS.iter().find(|setting| setting.name == name).ok_or_else(|| {
            let names: Vec<_> = SETTINGS.iter().map(|setting| setting.name).collect();
            InvalidArgument::new("setting", format!("'{name}' is none of {}", names.join(", ")))
        })
    }

    /// Checks that the setting takes this value.
    pub fn check(&self, value: &SettingValue) -> Result<(), InvalidArgument> {
        let (right, range) = match (self.kind, value) {
            (Switch, value) => (matches!(value, SettingValue::Switch(_)), "true or false".to_owned()),
            (Number(least, most), value) => {
                let right = matches!(value, SettingValue::Number(number) if (least..=most).contains(number));
                (right, format!("a number from {least} to {most}"))
            }
            (PowerOfTwo(least, most), value) => {
                let right = matches!(value, SettingValue::Number(number)
                    if (least..=most).contains(number) && number.count_ones() == 1);
                (right, format!("a power of two from {least} to {most}"))
            }
            (Threshold, value) => {
                let right = matches!(value, SettingValue::Threshold(threshold, period)
                    if (0..=INT_MAX).contains(threshold) && (0..=INT_MAX).contains(period)
                        && (threshold < period || *period == 0));
                (right, "two numbers, a threshold and a larger period, or 0 for it".to_owned())
            }
            (Text, value) => {
                let right = matches!(value, SettingValue::Text(text) if !text.contains(['\n', '\0']));
                (right, "one line of text".to_owned())
            }
        };
        let shown = match value {
            SettingValue::Switch(on) => on.to_string(),
            SettingValue::Text(text) => format!("'{text}'"),
            SettingValue::Number(_) | SettingValue::Threshold(..) => value.to_string(),
        };
        if right { Ok(()) } else { Err(InvalidArgument::new("value", format!("{shown} is not {range}"))) }
    }

    /// Reads a value as the kernel writes it; nothing if it is not one of this kind.
    #[must_use]
    pub fn parse(&self, text: &str) -> Option<SettingValue> {
        let text = text.trim();
        Some(match self.kind {
            // A kernel may keep another number than 0 or 1 there: on is what is not 0.
            Switch => SettingValue::Switch(text.parse::<i64>().ok()? != 0),
            Number(..) | PowerOfTwo(..) => SettingValue::Number(text.parse().ok()?),
            Threshold => {
                let (threshold, period) = text.split_once(char::is_whitespace)?;
                SettingValue::Threshold(threshold.parse().ok()?, period.trim().parse().ok()?)
            }
            Text => SettingValue::Text(text.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: impl std::borrow::Borrow<SettingValue>) -> bool {
        Setting::named(name).unwrap().check(value.borrow()).is_ok()
    }

    #[test]
    fn names_are_sorted_and_single() {
        assert!(SETTINGS.is_sorted_by(|one, next| one.name < next.name));
        assert_eq!(Setting::named("nosuch").unwrap_err().field, "setting");
    }

    #[test]
    fn values_are_within_their_ranges() {
        use SettingValue::{Number, Switch, Text, Threshold};
        assert!(check("conntrack", Switch(true)) && !check("conntrack", Number(1)));
        assert!(check("drop_entry", Number(3)) && !check("drop_entry", Number(4)) && !check("drop_entry", Number(-1)));
        assert!(!check("drop_entry", Switch(true)));
        let said = |name, value| Setting::named(name).unwrap().check(&value).unwrap_err().reason;
        assert_eq!(said("drop_entry", Switch(true)), "true is not a number from 0 to 3");
        assert_eq!(said("conntrack", Number(1)), "1 is not true or false");
        assert_eq!(said("conntrack", Text(String::new())), "'' is not true or false");
        assert!(check("est_nice", Number(-20)) && !check("est_nice", Number(20)));
        assert!(check("sync_ports", Number(64)) && !check("sync_ports", Number(3)) && !check("sync_ports", Number(0)));
        assert!(check("sync_threshold", Threshold(3, 50)) && check("sync_threshold", Threshold(3, 0)));
        assert!(!check("sync_threshold", Threshold(50, 50)) && !check("sync_threshold", Threshold(-1, 50)));
        assert!(check("est_cpulist", Text("0-1".into())) && !check("est_cpulist", Text("0\n1".into())));
    }

    #[test]
    fn a_value_reads_what_it_prints() {
        for (name, text) in
            [("conntrack", "1"), ("amemthresh", "1024"), ("sync_threshold", "3 50"), ("est_cpulist", "0-3,7")]
        {
            assert_eq!(Setting::named(name).unwrap().parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Setting::named("sync_threshold").unwrap().parse("3\t50\n"), Some(SettingValue::Threshold(3, 50)));
        assert_eq!(Setting::named("amemthresh").unwrap().parse("many"), None);
    }
}
