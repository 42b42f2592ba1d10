//! How long the kernel remembers an idle connection.

use crate::InvalidArgument;

/// Longest time in seconds of any kernel: it counts ticks in a signed 32-bit number, at least 100 a second.
pub const TIMEOUT_MAX: u32 = i32::MAX as u32 / 100;

/// How long the kernel remembers an idle connection, in seconds, from 1 (`IPVS_CMD_SET_CONFIG`). A kernel with 1000 ticks
/// a second takes up to 2147483 seconds, one with 250 up to 8589934 and one with 100 up to 21474836; it refuses more.
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
