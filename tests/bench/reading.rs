//! Reading a table: a snapshot, and the floor, in turns in a fresh namespace each round.

use ipvs_core::Client;

use crate::Result;
use crate::debian::debian;
use crate::figures::{Times, judge, show, take_turns};
use crate::floor::Floor;
use crate::namespace::within;
use crate::table::Shape;

const SHAPE: Shape = Shape { services: 500, destinations: 10 };
const ROUNDS: u32 = 7;
/// Readings of each kind in one round.
const TURNS: u32 = 5;

pub fn run() -> Result<()> {
    println!("\nreading {} services with {} destinations each", SHAPE.services, SHAPE.destinations);
    let mut debian = Times::new("Debian's ipvsadm -Sn");
    let mut snapshot = Times::new("snapshot");
    let mut floor = Times::new("floor");
    for round in 0..ROUNDS {
        within(|| {
            let client = Client::connect()?;
            SHAPE.fill(&client)?;
            for turn in 0..TURNS {
                with_debian(&mut debian)?;
                take_turns(round + turn, || with_client(&mut snapshot, &client), || with_floor(&mut floor))?;
            }
            SHAPE.verify()
        })?;
    }
    for times in [&debian, &snapshot, &floor] {
        times.print(SHAPE.commands(), "object");
    }
    show("Debian's ipvsadm -Sn / snapshot", debian.over(&snapshot), "times");
    judge("snapshot / floor", snapshot.over(&floor), 1.25, "times");
    Ok(())
}

fn with_debian(times: &mut Times) -> Result<()> {
    let text = times.measure(|| debian(&["-Sn"], &[]))?;
    let count = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
    SHAPE.compare("ipvsadm's listing", count("-A "), count("-a "))
}

fn with_client(times: &mut Times, client: &Client) -> Result<()> {
    let table = times.measure(|| Ok(client.snapshot()?))?;
    let destinations = table.iter().map(|service| service.destinations.len()).sum();
    SHAPE.compare("the snapshot", table.len(), destinations)
}

fn with_floor(times: &mut Times) -> Result<()> {
    let mut floor = Floor::open()?;
    let dumps = floor.dumps(SHAPE);
    let count = times.measure(|| floor.read(&dumps))?;
    // One dump is of the services, and an entry is an entry.
    SHAPE.compare("the floor's dump", dumps.len() - 1, count + 1 - dumps.len())
}
