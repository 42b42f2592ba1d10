//! The time limit of an exchange.

use std::time::{Duration, Instant};

use super::Failure;

/// A time in seconds; nothing where it is negative, too long or no number. What is above 0 and below a nanosecond is one, since
/// 0 may mean for ever.
#[must_use]
pub fn seconds(seconds: f64) -> Option<Duration> {
    let time = Duration::try_from_secs_f64(seconds).ok()?;
    Some(time.max(Duration::from_nanos(u64::from(seconds > 0.0))))
}

/// How many datagrams go by between two looks at the clock.
const CLOCK_INTERVAL: u32 = 64;

/// How long may be waited. The time begins with the first wait: the kernel works inside the system calls and mostly has
/// its answer ready, so that the clock, which is dear on some machines, is not looked at.
#[derive(Debug)]
pub(crate) struct Deadline {
    limit: Option<Duration>,
    end: Option<Instant>,
    datagrams: u32,
}

impl Deadline {
    /// After this time, or never.
    pub fn new(limit: Option<Duration>) -> Self {
        Self { limit, end: None, datagrams: 0 }
    }

    /// What is left of it, or no limit; an error if it has passed.
    pub fn left(&mut self) -> Result<Option<Duration>, Failure> {
        let Some(limit) = self.limit else { return Ok(None) };
        let now = Instant::now();
        let end = match self.end {
            Some(end) => end,
            None => match now.checked_add(limit) {
                Some(end) => *self.end.insert(end),
                // Further away than the clock goes.
                None => return Ok(None),
            },
        };
        let left = end.saturating_duration_since(now);
        if left.is_zero() { Err(Failure::TimedOut) } else { Ok(Some(left)) }
    }

    /// A datagram was received. A flow of them that never ends passes the deadline too.
    pub fn count_datagram(&mut self) -> Result<(), Failure> {
        self.datagrams = self.datagrams.wrapping_add(1);
        if self.datagrams.is_multiple_of(CLOCK_INTERVAL) {
            self.left()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    #[test]
    fn next_to_nothing_is_not_nothing() {
        let nanosecond = Some(Duration::from_nanos(1));
        assert_eq!(
            [0.0, -0.0, 1e-10, 1e-9, 0.5].map(seconds),
            [Some(Duration::ZERO), Some(Duration::ZERO), nanosecond, nanosecond, Some(Duration::from_millis(500))]
        );
        assert_eq!([-1.0, f64::NAN, f64::INFINITY, 1e300].map(seconds), [None; 4]);
    }

    #[test]
    fn the_time_begins_with_the_first_wait() {
        let limit = Duration::from_millis(20);
        let mut deadline = Deadline::new(Some(limit));
        sleep(2 * limit);
        assert_eq!(deadline.left().unwrap(), Some(limit));
        sleep(2 * limit);
        assert!(matches!(deadline.left(), Err(Failure::TimedOut)));
    }

    #[test]
    fn no_limit_and_one_beyond_the_clock_never_pass() {
        for limit in [None, Some(Duration::MAX)] {
            assert_eq!(Deadline::new(limit).left().unwrap(), None);
        }
    }

    #[test]
    fn a_flow_of_datagrams_passes_it() {
        let mut deadline = Deadline::new(Some(Duration::from_millis(20)));
        let flow = std::iter::from_fn(|| {
            sleep(Duration::from_millis(1));
            deadline.count_datagram().ok()
        });
        assert!((64..1000).contains(&flow.take(1000).count()));
    }
}
