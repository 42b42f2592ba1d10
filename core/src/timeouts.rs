//! How long the kernel remembers an idle connection.

use crate::InvalidArgument;

/// Longest time in seconds: the kernel counts ticks in a signed 32-bit number, up to 1000 a second.
pub const TIMEOUT_MAX: u32 = i32::MAX as u32 / 1000;

/// How long the kernel remembers an idle connection, in seconds, 1 to 2147483 (`IPVS_CMD_SET_CONFIG`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timeouts {
    /// An established TCP connection (`IPVS_CMD_ATTR_TIMEOUT_TCP`).
    pub tcp: u32,
    /// A TCP connection that one side has ended (`IPVS_CMD_ATTR_TIMEOUT_TCP_FIN`).
    pub tcp_fin: u32,
    /// UDP (`IPVS_CMD_ATTR_TIMEOUT_UDP`).
    pub udp: u32,
}

impl Timeouts {
    /// Checks the times as they are to be set, where 0 leaves the one in force.
    pub fn check(&self) -> Result<(), InvalidArgument> {
        for (field, seconds) in [("tcp", self.tcp), ("tcp_fin", self.tcp_fin), ("udp", self.udp)] {
            if seconds > TIMEOUT_MAX {
                return Err(InvalidArgument::new(field, format!("{seconds} is above {TIMEOUT_MAX} seconds")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_the_kernel_cannot_count_is_refused() {
        let check = |tcp, tcp_fin, udp| Timeouts { tcp, tcp_fin, udp }.check().map_err(|error| error.field);
        assert_eq!(check(0, 1, TIMEOUT_MAX), Ok(()));
        assert_eq!(check(TIMEOUT_MAX + 1, 0, 0), Err("tcp"));
        assert_eq!(check(0, u32::MAX, 0), Err("tcp_fin"));
        assert_eq!(check(0, 0, TIMEOUT_MAX + 1), Err("udp"));
    }
}
