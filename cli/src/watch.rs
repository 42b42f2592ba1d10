//! Writes each change of the table as it is seen. What a change is, and how it is found, is core's; here are the interval, the
//! time and the lines.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ipvs_core::Client;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use signal_hook::consts::SIGPIPE;
use signal_hook::flag;

use crate::{Failure, json};

/// Watches the table until the output is closed.
pub(crate) fn watch(
    interval: Duration,
    as_json: bool,
    client: &Client,
    output: &mut impl Write,
) -> Result<(), Failure> {
    // Whoever stops reading is told of by the next wait or the next line; the signal would end it with another status.
    flag::register(SIGPIPE, Arc::default())?;
    let mut watch = client.watch()?;
    while is_read_after(interval)? {
        let changes = watch.look(client)?;
        let time = utc(SystemTime::now());
        for change in changes {
            if as_json {
                json::write_line(&json::change(&time, &change), output)?;
            } else {
                writeln!(output, "{time} {change}")?;
            }
        }
        output.flush()?;
    }
    Ok(())
}

/// Waits so long; says whether there is somebody to read the output still. What is nobody's pipe or terminal always is.
fn is_read_after(interval: Duration) -> io::Result<bool> {
    let stdout = rustix::stdio::stdout();
    // What is too long is for ever.
    let time = Timespec::try_from(interval).ok();
    match poll(&mut [PollFd::new(&stdout, PollFlags::empty())], time.as_ref()) {
        Ok(closed) => Ok(closed == 0),
        Err(Errno::INTR) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// The time as RFC 3339 has it, in UTC and with thousandths of a second.
fn utc(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86400, since.as_secs() % 86400);
    // Years that begin in March, so that a leap day is the last of one, in cycles of 400 years from the year 0 on.
    let day = days + 719_468;
    let (cycle, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1460 + day / 36524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = cycle * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", since.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_date_and_a_clock_s() {
        // As `date --utc --date=@SECONDS` has them.
        for (milliseconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (1_735_689_599_250, "2024-12-31T23:59:59.250Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(utc(UNIX_EPOCH + Duration::from_millis(milliseconds)), expected);
        }
    }
}
