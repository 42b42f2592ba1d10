//! Our `ipvsadm` beside Debian's: the same work as whole programs, in turns.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ipvs_core::Client;

use crate::Result;
use crate::debian::DEBIAN;
use crate::figures::{Times, judge, judge_least, take_turns};
use crate::namespace::within;
use crate::table::Shape;

const SHAPE: Shape = Shape { services: 500, destinations: 10 };
const SMALL: Shape = Shape { services: 1, destinations: 2 };
const LARGE: Shape = Shape { services: 10_000, destinations: 10 };
const ROUNDS: u32 = 9;
/// A short restore beside a long one: its median takes many rounds to stand still.
const ROUNDS_OF_RESTORE: u32 = 27;
const ROUNDS_OF_MEMORY: u32 = 7;
/// Listings of each in one round.
const TURNS: u32 = 3;
const TURNS_SMALL: u32 = 15;

pub fn run() -> Result<()> {
    println!("ipvsadm beside Debian's, {} services with {} destinations each", SHAPE.services, SHAPE.destinations);
    let ours = ours()?;
    restore(&ours)?;
    // The kernel's own share is the same for both, and larger where a system call is dear.
    let least = if is_user_mode()? { 1.5 } else { 3.0 };
    list(&ours, &["-Sn"], SHAPE, TURNS, least)?;
    list(&ours, &["-Ln"], SHAPE, TURNS, least)?;
    println!("\nand one service with {} destinations", SMALL.destinations);
    list(&ours, &["-Ln"], SMALL, TURNS_SMALL, 1.0)?;
    memory(&ours)
}

fn is_user_mode() -> Result<bool> {
    Ok(fs::read_to_string("/proc/cpuinfo")?.contains("User Mode Linux"))
}

/// The release build, beside this program.
fn ours() -> Result<PathBuf> {
    let program = std::env::current_exe()?.ancestors().nth(2).unwrap_or(Path::new("")).join("ipvsadm");
    if program.exists() { Ok(program) } else { Err(format!("{} is not built", program.display()).into()) }
}

fn restore(ours: &Path) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let rules = folder.path().join("rules");
    fs::write(&rules, SHAPE.to_rules())?;
    let restore = |program: &Path, times: &mut Times| {
        within(|| {
            times.measure(|| ran(Command::new(program).arg("-R").stdin(File::open(&rules)?)))?;
            SHAPE.verify()
        })
    };
    let (mut debian_times, mut our_times) = (Times::new("Debian's -R"), Times::new("-R"));
    for round in 0..ROUNDS_OF_RESTORE {
        take_turns(round, || restore(Path::new(DEBIAN), &mut debian_times), || restore(ours, &mut our_times))?;
    }
    debian_times.print(SHAPE.commands(), "rule");
    our_times.print(SHAPE.commands(), "rule");
    judge_least("Debian's -R / ours", debian_times.over(&our_times), 15.0, "times");
    Ok(())
}

fn list(ours: &Path, arguments: &[&str], shape: Shape, turns: u32, least: f64) -> Result<()> {
    let shown = arguments.join(" ");
    let (mut debian_times, mut our_times) = (Times::new("Debian's"), Times::new("ours"));
    let list = |program: &Path, times: &mut Times| {
        times.measure(|| ran(Command::new(program).args(arguments).stdout(Stdio::null())))
    };
    for round in 0..ROUNDS {
        within(|| {
            shape.fill(&Client::connect()?)?;
            (0..turns).try_for_each(|turn| {
                take_turns(round + turn, || list(Path::new(DEBIAN), &mut debian_times), || list(ours, &mut our_times))
            })
        })?;
    }
    println!("  {shown}");
    debian_times.print(shape.commands(), "object");
    our_times.print(shape.commands(), "object");
    judge_least(&format!("Debian's {shown} / ours"), debian_times.over(&our_times), least, "times");
    Ok(())
}

fn memory(ours: &Path) -> Result<()> {
    println!("\nmemory of -Ln of {} services with {} destinations each", LARGE.services, LARGE.destinations);
    let (debian, ours) = within(|| {
        LARGE.fill(&Client::connect()?)?;
        let (mut theirs, mut own) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS_OF_MEMORY {
            theirs.push(peak(Path::new(DEBIAN))?);
            own.push(peak(ours)?);
        }
        Ok((median(theirs), median(own)))
    })?;
    println!("  Debian's {debian:.1} MB");
    judge("ours", ours, debian, "MB");
    Ok(())
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// The most memory that the program has at a time, in MB.
fn peak(program: &Path) -> Result<f64> {
    let output = Command::new("/usr/bin/time").args(["--format", "%M"]).arg(program).arg("-Ln").output()?;
    if !output.status.success() {
        return Err(format!("{} -Ln failed", program.display()).into());
    }
    let kilobytes: f64 = String::from_utf8(output.stderr)?.trim().parse()?;
    Ok(kilobytes / 1024.0)
}

fn ran(command: &mut Command) -> Result<()> {
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}
