//! Applying a table of which a hundredth differs, beside a snapshot and a batch of what differs, in turns.

use ipvs_core::{ApplyOptions, Client, Command, Table};

use crate::Result;
use crate::figures::{Times, judge, take_turns};
use crate::namespace::within;
use crate::table::{Shape, add_all};

const SHAPE: Shape = Shape { services: 1000, destinations: 10 };
const ROUNDS: u32 = 3;
/// Pairs in one round.
const TURNS: u32 = 7;
/// One destination in so many differs.
const CHANGED: usize = 100;

pub fn run() -> Result<()> {
    println!("\napplying {} services with {} destinations each", SHAPE.services, SHAPE.destinations);
    let (mut apply, mut by_hand) = (Times::new("apply"), Times::new("a snapshot and a batch"));
    let sides = [side(2)?, side(3)?];
    for round in 0..ROUNDS {
        within(|| {
            let client = Client::connect()?;
            SHAPE.fill(&client)?;
            for turn in 0..TURNS {
                // Whoever comes first changes what the other one changes back.
                let [one, other] = &sides;
                let first = round + turn;
                let (of_apply, of_hand) = if first.is_multiple_of(2) { (one, other) } else { (other, one) };
                take_turns(
                    first,
                    || with_apply(&mut apply, &client, of_apply),
                    || with_hand(&mut by_hand, &client, of_hand),
                )?;
            }
            SHAPE.verify()
        })?;
    }
    let changes = u32::try_from(sides[0].edits.len())?;
    for times in [&apply, &by_hand] {
        times.print(changes, "change");
    }
    judge("apply / a snapshot and a batch", apply.over(&by_hand), 1.3, "times");
    Ok(())
}

/// A table, and what makes it of the other one.
struct Side {
    table: Table,
    edits: Vec<Command>,
}

/// The table in which some destinations have this weight.
fn side(weight: u32) -> Result<Side> {
    let mut commands = SHAPE.to_commands();
    let mut edits = Vec::new();
    let destinations = commands.iter_mut().filter_map(|command| match command {
        Command::AddDestination(id, destination) => Some((*id, destination)),
        _ => None,
    });
    for (id, destination) in destinations.step_by(CHANGED) {
        destination.weight = weight;
        edits.push(Command::EditDestination(id, destination.clone()));
    }
    let mut table = Table::new();
    for command in &commands {
        table.run(command)?;
    }
    Ok(Side { table, edits })
}

fn with_apply(times: &mut Times, client: &Client, side: &Side) -> Result<()> {
    let applied = times.measure(|| Ok(client.apply(&side.table, &ApplyOptions::default())?))?;
    if applied.is_done() && applied.done.len() == side.edits.len() {
        return Ok(());
    }
    Err(format!("{} changes were made, not {}", applied.done.len(), side.edits.len()).into())
}

fn with_hand(times: &mut Times, client: &Client, side: &Side) -> Result<()> {
    times.measure(|| {
        client.snapshot()?;
        add_all(client, &side.edits)
    })
}
