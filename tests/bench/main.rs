//! The benchmark: what the client costs above the least that the kernel asks for, all in one boot of the guest.
//! `make bench` runs it, `BENCHMARKS.md` says what the figures mean. It fails when something does not work, never
//! because something is slow.

mod adding;
mod applying;
mod debian;
mod figures;
mod floor;
mod ipvsadm;
mod lua;
mod memory;
mod message;
mod namespace;
mod python;
mod reading;
mod scale;
mod table;

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    if std::env::var_os("IPVS_GUEST").is_none() {
        return Err("this needs the guest kernel: run 'make bench'".into());
    }
    // `cargo bench` passes options of its own.
    let part = std::env::args().nth(1).filter(|part| part != "--bench");
    if part.as_deref() == Some(memory::CHILD) {
        return memory::child();
    }
    let start = Instant::now();
    match part.as_deref() {
        Some("library") => library()?,
        Some("ipvsadm") => ipvsadm::run()?,
        Some("python") => python::run()?,
        Some("lua") => lua::run()?,
        Some(other) => {
            return Err(format!("no part '{other}': library, ipvsadm, python, lua, or all without a name").into());
        }
        None => {
            library()?;
            println!();
            ipvsadm::run()?;
            println!();
            python::run()?;
            println!();
            lua::run()?;
        }
    }
    println!("\nall of it: {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

fn library() -> Result<()> {
    adding::run()?;
    reading::run()?;
    applying::run()?;
    memory::run()?;
    scale::run()
}
