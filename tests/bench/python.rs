//! The Python module beside pyroute2, Debian's `ipvsadm` in a subprocess, and the same job in Rust. Every job begins with
//! the texts of ids: what makes objects and commands of them is in the time, on both sides.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use ipvs_core::{Client, Destination, Forwarding, Service, parse_destination_address};

use crate::Result;
use crate::figures::{Times, judge, judge_least};
use crate::namespace::within;
use crate::table::{DESTINATION_PORT, SERVICE_PORT, Shape, add_all};

/// What pyroute2 takes seconds to list.
const LISTED: Shape = Shape { services: 1000, destinations: 10 };
const ADDED: Shape = Shape { services: 500, destinations: 10 };
const EDITED: Shape = Shape { services: 1, destinations: 10 };
const ROUNDS: u32 = 21;
/// These take longer.
const ROUNDS_ONE_BY_ONE: u32 = 7;
const ROUNDS_OF_PYROUTE2: u32 = 5;
/// Rounds in one namespace, where a job leaves the table as it is.
const TURNS: u32 = 5;
/// How many changes of a weight are one measurement.
const WEIGHTS: u32 = 100;

pub fn run() -> Result<()> {
    let mut python = Python::start()?;
    println!("the Python module, {} services with {} destinations each", LISTED.services, LISTED.destinations);
    listing(&mut python)?;
    println!("\nadding {} services with {} destinations each", ADDED.services, ADDED.destinations);
    adding(&mut python)?;
    println!("\n{WEIGHTS} changes of a weight, in a service with {} destinations", EDITED.destinations);
    weights(&mut python)
}

/// A Python that does jobs in the namespace where this program is then. It lives as long as the benchmark: neither side of a
/// ratio begins with memory that it never had.
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

/// One way to do something, and in how many rounds it is measured.
struct Way<'a> {
    times: Times,
    by: By<'a>,
    rounds: u32,
}

#[derive(Clone, Copy)]
enum By<'a> {
    /// A job of `jobs.py`.
    Python(&'static str),
    Rust(&'a dyn Fn(&Client) -> Result<()>),
}

impl<'a> Way<'a> {
    fn new(name: &'static str, by: By<'a>, rounds: u32) -> Self {
        Self { times: Times::new(name), by, rounds }
    }

    fn measure(&mut self, python: &mut Python, shape: Shape) -> Result<()> {
        match self.by {
            By::Python(job) => python.measure(&mut self.times, job, shape),
            By::Rust(work) => {
                let client = Client::connect()?;
                self.times.measure(|| work(&client))
            }
        }
    }
}

/// Those that are in this round, one after another; from round to round the order is turned around.
fn in_turns<'w, 'a>(ways: &'w mut [Way<'a>], round: u32) -> Vec<&'w mut Way<'a>> {
    let mut turn: Vec<_> = ways.iter_mut().filter(|way| round < way.rounds).collect();
    if !round.is_multiple_of(2) {
        turn.reverse();
    }
    turn
}

/// Measures in tables that are filled already, and stay as they are.
fn in_filled(python: &mut Python, ways: &mut [Way<'_>], shape: Shape) -> Result<()> {
    for namespace in 0..ROUNDS.div_ceil(TURNS) {
        within(|| {
            shape.fill(&Client::connect()?)?;
            for turn in 0..TURNS {
                for way in in_turns(ways, namespace * TURNS + turn) {
                    way.measure(python, shape)?;
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn listing(python: &mut Python) -> Result<()> {
    let snapshot = |client: &Client| {
        client.snapshot()?;
        Ok(())
    };
    let mut ways = [
        Way::new("pyroute2", By::Python("pyroute2_list"), ROUNDS_OF_PYROUTE2),
        Way::new("snapshot", By::Python("snapshot"), ROUNDS),
        Way::new("in Rust", By::Rust(&snapshot), ROUNDS),
    ];
    in_filled(python, &mut ways, LISTED)?;
    let [pyroute2, ours, rust] = ways.map(|way| print(way, LISTED.commands(), "object"));
    judge_least("pyroute2 / snapshot", pyroute2.over(&ours), 50.0, "times");
    judge("snapshot / in Rust", ours.over(&rust), 1.5, "times");
    Ok(())
}

fn adding(python: &mut Python) -> Result<()> {
    let ids = ids(ADDED);
    let one_by_one = |client: &Client| {
        for (service, destinations) in &ids {
            let service = Service::new(service.parse()?);
            client.add_service(&service)?;
            for address in destinations {
                client.add_destination(&service.id, &destination(address)?)?;
            }
        }
        Ok(())
    };
    let batch = |client: &Client| add_all(client, &commands(&ids)?);
    let make = |_: &Client| commands(&ids).map(drop);
    let mut ways = [
        Way::new("pyroute2", By::Python("pyroute2_add"), ROUNDS_OF_PYROUTE2),
        Way::new("one by one", By::Python("add"), ROUNDS_ONE_BY_ONE),
        Way::new("one by one in Rust", By::Rust(&one_by_one), ROUNDS_ONE_BY_ONE),
        Way::new("batch", By::Python("batch"), ROUNDS),
        Way::new("batch in Rust", By::Rust(&batch), ROUNDS),
    ];
    let mut making = [
        Way::new("only to make the commands", By::Python("make_commands"), ROUNDS),
        Way::new("only to make them in Rust", By::Rust(&make), ROUNDS),
    ];
    for round in 0..ROUNDS {
        for way in in_turns(&mut ways, round) {
            within(|| {
                way.measure(python, ADDED)?;
                ADDED.verify()
            })?;
        }
        for way in in_turns(&mut making, round) {
            way.measure(python, ADDED)?;
        }
    }
    let [pyroute2, ours, rust, batch, rust_batch] = ways.map(|way| print(way, ADDED.commands(), "command"));
    for way in making {
        print(way, ADDED.commands(), "command");
    }
    judge_least("pyroute2 / one by one", pyroute2.over(&ours), 40.0, "times");
    judge("one by one / in Rust", ours.over(&rust), 1.5, "times");
    judge_least("pyroute2 / batch", pyroute2.over(&batch), 200.0, "times");
    judge("batch / in Rust", batch.over(&rust_batch), 1.5, "times");
    Ok(())
}

/// The id of each service, and those of its destinations.
fn ids(shape: Shape) -> Vec<(String, Vec<String>)> {
    let id = |address| format!("tcp://{address}:{SERVICE_PORT}");
    let real = |address| format!("{address}:{DESTINATION_PORT}");
    shape.addresses().map(|(service, destinations)| (id(service), destinations.map(real).collect())).collect()
}

fn destination(address: &str) -> Result<Destination> {
    Ok(Destination::new(parse_destination_address(address)?).with_forwarding(Forwarding::Masquerade))
}

fn commands(ids: &[(String, Vec<String>)]) -> Result<Vec<ipvs_core::Command>> {
    let mut commands = Vec::new();
    for (service, destinations) in ids {
        let service = Service::new(service.parse()?);
        let id = service.id;
        commands.push(ipvs_core::Command::AddService(service));
        for address in destinations {
            commands.push(ipvs_core::Command::AddDestination(id, destination(address)?));
        }
    }
    Ok(commands)
}

fn weights(python: &mut Python) -> Result<()> {
    let edit = |client: &Client| {
        let service = client.services()?.remove(0).service.id;
        let address = client.destinations(&service)?.remove(0).destination.address;
        (0..WEIGHTS).try_for_each(|weight| Ok(client.set_weight(&service, &address, weight).map(drop)?))
    };
    let mut ways = [
        Way::new("a subprocess ipvsadm -e", By::Python("subprocess_weights"), ROUNDS),
        Way::new("set_weight", By::Python("weights"), ROUNDS),
        Way::new("in Rust", By::Rust(&edit), ROUNDS),
    ];
    in_filled(python, &mut ways, EDITED)?;
    let [debian, ours, rust] = ways.map(|way| print(way, WEIGHTS, "change"));
    judge_least("a subprocess / set_weight", debian.over(&ours), 30.0, "times");
    judge("set_weight / in Rust", ours.over(&rust), 1.5, "times");
    Ok(())
}

fn print(way: Way<'_>, count: u32, thing: &str) -> Times {
    way.times.print(count, thing);
    way.times
}
