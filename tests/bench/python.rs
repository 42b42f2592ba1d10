//! The Python module beside pyroute2, Debian's `ipvsadm` in a subprocess, and the same job in Rust.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use ipvs_core::Client;

use crate::Result;
use crate::figures::{Times, judge, judge_least, take_turns};
use crate::namespace::within;
use crate::table::{Shape, add_all};

/// What pyroute2 takes 20 s for.
const LISTED: Shape = Shape { services: 1000, destinations: 10 };
/// What pyroute2 takes a few seconds for.
const ADDED: Shape = Shape { services: 30, destinations: 10 };
/// What is added in a batch.
const BATCHED: Shape = Shape { services: 500, destinations: 10 };
const EDITED: Shape = Shape { services: 1, destinations: 10 };
const ROUNDS: u32 = 7;
const ROUNDS_OF_PYROUTE2: u32 = 3;
/// Listings of each in one round.
const TURNS: u32 = 5;
/// How many changes of a weight are one measurement.
const WEIGHTS: u32 = 100;

pub fn run() -> Result<()> {
    println!("the Python module, {} services with {} destinations each", LISTED.services, LISTED.destinations);
    listing()?;
    let a_command = adding()?;
    batches(a_command)?;
    weights()
}

/// A Python that does jobs in the namespace of the thread that started it.
struct Python {
    child: Child,
    jobs: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Python {
    fn start() -> Result<Self> {
        let mut child = Command::new("python")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/bench/jobs.py"))
            .env("PYTHONPATH", python_path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (jobs, answers) = pipes.ok_or("Python has no pipes")?;
        Ok(Self { child, jobs, answers: BufReader::new(answers) })
    }

    /// Does a job, which measures itself.
    fn measure(&mut self, times: &mut Times, job: &str, shape: Shape) -> Result<()> {
        writeln!(self.jobs, "{job} {} {}", shape.services, shape.destinations)?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        times.push(Duration::from_secs_f64(answer.trim().parse().map_err(|_| format!("the job '{job}' failed"))?));
        Ok(())
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // It ends by itself when there are no more jobs; it is not asked to go on.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The release build of the module.
fn python_path() -> String {
    let target = std::env::current_exe().unwrap_or_default();
    target.ancestors().nth(3).unwrap_or(Path::new("")).join("bench-python").display().to_string()
}

fn listing() -> Result<()> {
    let (mut python, mut rust, mut other) = (Times::new("snapshot"), Times::new("in Rust"), Times::new("pyroute2"));
    for round in 0..ROUNDS {
        within(|| {
            let client = Client::connect()?;
            LISTED.fill(&client)?;
            let mut process = Python::start()?;
            for turn in 0..TURNS {
                take_turns(
                    round + turn,
                    || process.measure(&mut python, "snapshot", LISTED),
                    || rust.measure(|| Ok(client.snapshot()?)).map(drop),
                )?;
            }
            if round < ROUNDS_OF_PYROUTE2 {
                process.measure(&mut other, "pyroute2_list", LISTED)?;
            }
            Ok(())
        })?;
    }
    print(&[&other, &python, &rust], LISTED.commands(), "object");
    judge_least("pyroute2 / snapshot", other.median_over(&python), 50.0, "times");
    judge("snapshot / in Rust", python.over(&rust), 1.5, "times");
    Ok(())
}

/// Says how many microseconds a command takes pyroute2.
fn adding() -> Result<f64> {
    println!("\nadding {} services with {} destinations each, one by one", ADDED.services, ADDED.destinations);
    let (mut python, mut rust, mut other) = (Times::new("one by one"), Times::new("in Rust"), Times::new("pyroute2"));
    let in_python = |times: &mut Times, job: &str| {
        within(|| {
            Python::start()?.measure(times, job, ADDED)?;
            ADDED.verify()
        })
    };
    for round in 0..ROUNDS {
        take_turns(
            round,
            || in_python(&mut python, "add"),
            || {
                within(|| {
                    let client = Client::connect()?;
                    let commands = ADDED.to_commands();
                    rust.measure(|| commands.iter().try_for_each(|command| Ok(client.run(command)?)))?;
                    ADDED.verify()
                })
            },
        )?;
        if round < ROUNDS_OF_PYROUTE2 {
            in_python(&mut other, "pyroute2_add")?;
        }
    }
    print(&[&other, &python, &rust], ADDED.commands(), "command");
    judge_least("pyroute2 / one by one", other.median_over(&python), 40.0, "times");
    judge("one by one / in Rust", python.over(&rust), 1.5, "times");
    Ok(other.each(ADDED.commands()))
}

fn batches(pyroute2: f64) -> Result<()> {
    println!("\nadding {} services with {} destinations each in a batch", BATCHED.services, BATCHED.destinations);
    let (mut python, mut rust) = (Times::new("batch"), Times::new("in Rust"));
    let mut making = Times::new("making the commands");
    for round in 0..ROUNDS {
        take_turns(
            round,
            || {
                within(|| {
                    let mut process = Python::start()?;
                    process.measure(&mut making, "commands", BATCHED)?;
                    process.measure(&mut python, "batch", BATCHED)?;
                    BATCHED.verify()
                })
            },
            || {
                within(|| {
                    let (client, commands) = (Client::connect()?, BATCHED.to_commands());
                    rust.measure(|| add_all(&client, &commands))?;
                    BATCHED.verify()
                })
            },
        )?;
    }
    print(&[&making, &python, &rust], BATCHED.commands(), "command");
    judge_least("pyroute2's command / one of a batch", pyroute2 / python.each(BATCHED.commands()), 200.0, "times");
    judge("batch / in Rust", python.over(&rust), 1.5, "times");
    Ok(())
}

fn weights() -> Result<()> {
    println!("\n{WEIGHTS} changes of a weight, in a service with {} destinations", EDITED.destinations);
    let (mut python, mut rust) = (Times::new("set_weight"), Times::new("in Rust"));
    let mut debian = Times::new("a subprocess ipvsadm -e");
    for round in 0..ROUNDS {
        within(|| {
            let client = Client::connect()?;
            EDITED.fill(&client)?;
            let service = client.services()?.remove(0).service.id;
            let address = client.destinations(&service)?.remove(0).destination.address;
            let mut process = Python::start()?;
            for turn in 0..TURNS {
                take_turns(
                    round + turn,
                    || process.measure(&mut python, "weights", EDITED),
                    || {
                        rust.measure(|| {
                            (0..WEIGHTS)
                                .try_for_each(|weight| Ok(client.set_weight(&service, &address, weight).map(drop)?))
                        })
                    },
                )?;
            }
            process.measure(&mut debian, "subprocess_weights", EDITED)
        })?;
    }
    print(&[&debian, &python, &rust], WEIGHTS, "change");
    judge_least("a subprocess / set_weight", debian.median_over(&python), 30.0, "times");
    judge("set_weight / in Rust", python.over(&rust), 1.5, "times");
    Ok(())
}

fn print(times: &[&Times], count: u32, thing: &str) {
    for times in times {
        times.print(count, thing);
    }
}
