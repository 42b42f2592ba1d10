//! Adding a table: one command at a time, in a batch, and the floor, each in a namespace of its own.

use ipvs_core::{Client, Command};

use crate::Result;
use crate::debian::debian;
use crate::figures::{Times, judge, show, take_turns};
use crate::floor::Floor;
use crate::namespace::within;
use crate::table::{Shape, add_all};

const SHAPE: Shape = Shape { services: 500, destinations: 10 };
const ROUNDS: u32 = 21;
/// These take long.
const ROUNDS_DEBIAN: u32 = 3;
const ROUNDS_ONE_BY_ONE: u32 = 7;

pub fn run() -> Result<()> {
    println!("adding {} services with {} destinations each", SHAPE.services, SHAPE.destinations);
    let mut debian = Times::new("Debian's ipvsadm -R");
    let mut one_by_one = Times::new("one by one");
    let mut batch = Times::new("batch");
    let mut floor = Times::new("floor");
    for round in 0..ROUNDS {
        if round < ROUNDS_DEBIAN {
            with_debian(&mut debian, SHAPE)?;
        }
        if round < ROUNDS_ONE_BY_ONE {
            with_client(&mut one_by_one, SHAPE, add_one_by_one)?;
        }
        alternate(round, SHAPE, &mut batch, &mut floor)?;
    }
    for times in [&debian, &one_by_one, &batch, &floor] {
        times.print(SHAPE.commands(), "command");
    }
    show("Debian's ipvsadm -R / batch", debian.over(&batch), "times");
    show("one by one / batch", one_by_one.over(&batch), "times");
    judge("batch / floor", batch.over(&floor), 1.15, "times");
    Ok(())
}

/// One round of a batch and of the floor.
pub fn alternate(round: u32, shape: Shape, batch: &mut Times, floor: &mut Times) -> Result<()> {
    take_turns(round, || with_client(batch, shape, add_all), || with_floor(floor, shape))
}

fn with_client(times: &mut Times, shape: Shape, add: impl Fn(&Client, &[Command]) -> Result<()>) -> Result<()> {
    within(|| {
        let client = Client::connect()?;
        let commands = shape.to_commands();
        times.measure(|| add(&client, &commands))?;
        shape.verify()
    })
}

fn with_floor(times: &mut Times, shape: Shape) -> Result<()> {
    within(|| {
        let mut floor = Floor::open()?;
        let pieces = floor.additions(shape);
        times.measure(|| floor.add(&pieces))?;
        shape.verify()
    })
}

fn with_debian(times: &mut Times, shape: Shape) -> Result<()> {
    let rules = shape.to_rules();
    within(|| {
        times.measure(|| debian(&["-R"], rules.as_bytes()).map(drop))?;
        shape.verify()
    })
}

fn add_one_by_one(client: &Client, commands: &[Command]) -> Result<()> {
    for command in commands {
        match command {
            Command::AddService(service) => client.add_service(service)?,
            Command::AddDestination(id, destination) => client.add_destination(id, destination)?,
            other => client.run(other)?,
        }
    }
    Ok(())
}
