//! Memory of a snapshot: how much a process grows that does nothing else.

use std::env;
use std::fs;
use std::process::{Command, Stdio};

use ipvs_core::Client;

use crate::Result;
use crate::figures::judge;
use crate::namespace::within;
use crate::table::Shape;

/// The argument that makes this program that process.
pub const CHILD: &str = "snapshot";

const SHAPE: Shape = Shape { services: 10_000, destinations: 10 };
const ROUNDS: usize = 3;
const LIMIT_MB: f64 = 64.0;

pub fn run() -> Result<()> {
    println!("\nmemory of a snapshot of {} services with {} destinations each", SHAPE.services, SHAPE.destinations);
    let mut growths = within(|| {
        SHAPE.fill(&Client::connect()?)?;
        (0..ROUNDS).map(|_| in_child()).collect::<Result<Vec<u32>>>()
    })?;
    growths.sort_unstable();
    judge("peak growth of the process", f64::from(growths[ROUNDS / 2]) / 1024.0, LIMIT_MB, "MB");
    Ok(())
}

/// Peak growth in KiB.
fn in_child() -> Result<u32> {
    let output = Command::new(env::current_exe()?).arg(CHILD).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err("the process that takes a snapshot failed".into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// What the child does: a snapshot, and its cost in KiB on standard output.
pub fn child() -> Result<()> {
    let client = Client::connect()?;
    let before = kilobytes("VmRSS:")?;
    let table = client.snapshot()?;
    let peak = kilobytes("VmHWM:")?;
    let destinations = table.iter().map(|service| service.destinations.len()).sum();
    SHAPE.compare("the child's snapshot", table.len(), destinations)?;
    println!("{}", peak - before);
    Ok(())
}

fn kilobytes(name: &str) -> Result<u32> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("/proc/self/status has another form")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
