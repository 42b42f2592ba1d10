//! The synchronisation daemons: one master and one backup a namespace, which share connections between directors.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use crate::InvalidArgument;

/// Longest name of a network interface in bytes (the kernel's `IFNAMSIZ` less the closing NUL).
const INTERFACE_NAME_MAX: usize = 15;

/// Longest payload of a synchronisation message: what IP and UDP headers leave of 65535 bytes.
const MAX_LENGTH_MAX: u16 = u16::MAX - 20 - 8;
const MAX_LENGTH_MAX_IPV6: u16 = u16::MAX - 40 - 8;

/// Shortest room for a message that the kernel gives a backup (`start_sync_thread`).
const MAX_LENGTH_MIN_BACKUP: u16 = 1024;

/// What a daemon does (`IPVS_DAEMON_ATTR_STATE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Sends its connections out (`IP_VS_STATE_MASTER`).
    Master,
    /// Takes connections in (`IP_VS_STATE_BACKUP`).
    Backup,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Master => "master",
            Self::Backup => "backup",
        })
    }
}

impl FromStr for Role {
    type Err = InvalidArgument;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "master" => Ok(Self::Master),
            "backup" => Ok(Self::Backup),
            _ => Err(InvalidArgument::new("role", format!("'{text}' is neither master nor backup"))),
        }
    }
}

/// A synchronisation daemon. What is 0 or absent the kernel chooses; a listing shows what it chose.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SyncDaemon {
    /// Whether it sends or takes.
    pub role: Role,
    /// The network interface that it multicasts on (`IPVS_DAEMON_ATTR_MCAST_IFN`), 1 to 15 bytes.
    pub interface: String,
    /// Which messages belong together (`IPVS_DAEMON_ATTR_SYNC_ID`), 0 to 255; a backup with 0 takes all.
    pub sync_id: u8,
    /// Longest payload of a message in bytes (`IPVS_DAEMON_ATTR_SYNC_MAXLEN`, since Linux 4.3), 1 to 65507; 0 is 1472
    /// for a master and what the interface takes, 1472 at least, for a backup. The kernel makes room for a message, 1024
    /// bytes for a backup, where it is less, and takes 65487 with an IPv6 group where it is more.
    pub max_length: u16,
    /// Multicast address (`IPVS_DAEMON_ATTR_MCAST_GROUP` or `GROUP6`, since Linux 4.3); absent is 224.0.0.81.
    pub group: Option<IpAddr>,
    /// UDP port (`IPVS_DAEMON_ATTR_MCAST_PORT`, since Linux 4.3), 1 to 65535; 0 is 8848.
    pub port: u16,
    /// How many routers a message may pass (`IPVS_DAEMON_ATTR_MCAST_TTL`, since Linux 4.3), 1 to 255; 0 is 1.
    pub ttl: u8,
}

impl SyncDaemon {
    /// A daemon on this interface that leaves the rest to the kernel.
    #[must_use]
    pub fn new(role: Role, interface: impl Into<String>) -> Self {
        Self { role, interface: interface.into(), sync_id: 0, max_length: 0, group: None, port: 0, ttl: 0 }
    }

    /// Checks everything that can be known before the kernel is asked.
    pub fn check(&self) -> Result<(), InvalidArgument> {
        let name = &self.interface;
        if name.is_empty() || name.len() > INTERFACE_NAME_MAX || name.bytes().any(|byte| byte == 0 || byte == b'/') {
            return Err(InvalidArgument::new(
                "interface",
                format!("{name:?} is no name of an interface: 1 to {INTERFACE_NAME_MAX} bytes"),
            ));
        }
        if self.max_length > MAX_LENGTH_MAX {
            return Err(InvalidArgument::new(
                "max_length",
                format!("{} is above {MAX_LENGTH_MAX} bytes", self.max_length),
            ));
        }
        if let Some(group) = self.group.filter(|group| !group.is_multicast()) {
            return Err(InvalidArgument::new("group", format!("{group} is not a multicast address")));
        }
        Ok(())
    }

    /// Whether a daemon that runs is as this one asks for. What a kernel before 4.3 does not list it does not take either.
    pub(crate) fn is_met_by(&self, running: &Self) -> bool {
        let is_met = |asked: u16, has: u16| asked == 0 || has == 0 || asked == has;
        self.role == running.role
            && self.interface == running.interface
            && (self.sync_id == 0 || self.sync_id == running.sync_id)
            && is_met(self.given_length(), running.max_length)
            && is_met(self.port, running.port)
            && is_met(self.ttl.into(), running.ttl.into())
            && self.group.is_none_or(|group| running.group.is_none_or(|has| has == group))
    }

    /// What the kernel makes of the length that is asked for.
    fn given_length(&self) -> u16 {
        let least = if self.role == Role::Backup { MAX_LENGTH_MIN_BACKUP } else { 1 };
        let most = if self.group.is_some_and(|group| group.is_ipv6()) { MAX_LENGTH_MAX_IPV6 } else { MAX_LENGTH_MAX };
        if self.max_length == 0 { 0 } else { self.max_length.clamp(least, most) }
    }

    /// The group that a listing shows where none was asked for.
    pub const DEFAULT_GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 81));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked() {
        let with = |change: fn(&mut SyncDaemon)| {
            let mut daemon = SyncDaemon::new(Role::Master, "eth0");
            change(&mut daemon);
            daemon.check().map_err(|error| error.field)
        };
        assert_eq!(with(|_| {}), Ok(()));
        assert_eq!(with(|daemon| daemon.interface = "fifteen-bytes-x".to_owned()), Ok(()));
        assert_eq!(with(|daemon| daemon.interface = "sixteen-bytes-xx".to_owned()), Err("interface"));
        assert_eq!(with(|daemon| daemon.interface.clear()), Err("interface"));
        assert_eq!(with(|daemon| daemon.max_length = 65507), Ok(()));
        assert_eq!(with(|daemon| daemon.max_length = 65508), Err("max_length"));
        assert_eq!(with(|daemon| daemon.group = Some(SyncDaemon::DEFAULT_GROUP)), Ok(()));
        assert_eq!(with(|daemon| daemon.group = "ff02::81".parse().ok()), Ok(()));
        assert_eq!(with(|daemon| daemon.group = "10.0.0.1".parse().ok()), Err("group"));
    }

    #[test]
    fn what_the_kernel_makes_of_a_length_is_what_was_asked_for() {
        let listed = |max_length, group: &str| {
            let group = group.parse().ok();
            SyncDaemon { max_length, port: 8848, ttl: 1, group, ..SyncDaemon::new(Role::Backup, "eth0") }
        };
        let asked = |max_length| SyncDaemon { max_length, ..SyncDaemon::new(Role::Backup, "eth0") };
        assert!(asked(512).is_met_by(&listed(1024, "224.0.0.81")));
        assert!(!asked(1025).is_met_by(&listed(1024, "224.0.0.81")));
        let over_ipv6 = SyncDaemon { group: "ff02::81".parse().ok(), ..asked(65507) };
        assert!(over_ipv6.is_met_by(&listed(65487, "ff02::81")));
        assert!(!over_ipv6.is_met_by(&listed(65487, "ff02::82")));
        // Before Linux 4.3 none of these is taken or listed.
        let old = SyncDaemon { sync_id: 3, ..SyncDaemon::new(Role::Backup, "eth0") };
        assert!(SyncDaemon { sync_id: 3, port: 9000, ttl: 9, ..over_ipv6.clone() }.is_met_by(&old));
        assert!(!over_ipv6.is_met_by(&SyncDaemon::new(Role::Master, "eth0")));
        assert!(!SyncDaemon { sync_id: 4, ..over_ipv6 }.is_met_by(&old));
    }

    #[test]
    fn a_role_reads_what_it_prints() {
        for role in [Role::Master, Role::Backup] {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        assert_eq!("slave".parse::<Role>().unwrap_err().field, "role");
    }
}
