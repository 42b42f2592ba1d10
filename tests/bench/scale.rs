//! What one more destination costs as tables grow, ten to a service: reading its rule, adding it in a batch, and the
//! floor.

use ipvs_core::rules::{Numeric, parse_rules};

use crate::Result;
use crate::adding::alternate;
use crate::figures::{Times, judge, show};
use crate::table::Shape;

const DESTINATIONS: u32 = 10;
/// How many services, and in how many rounds: the short ones want more.
const SIZES: [(u32, u32); 3] = [(100, 31), (1_000, 21), (10_000, 15)];

pub fn run() -> Result<()> {
    println!("\nadding tables of different size, {DESTINATIONS} destinations to a service");
    let mut ratios = Vec::new();
    let mut floors = Vec::new();
    for (services, rounds) in SIZES {
        let shape = Shape { services, destinations: DESTINATIONS };
        let text = shape.to_rules();
        let mut rules = Times::new("reading the rules");
        let mut batch = Times::new("batch");
        let mut floor = Times::new("floor");
        for round in 0..rounds {
            read(&mut rules, &text, shape)?;
            alternate(round, shape, &mut batch, &mut floor)?;
        }
        println!("  {} destinations", shape.total());
        for times in [&rules, &batch, &floor] {
            times.print(shape.commands(), "command");
        }
        show("reading the rules / floor", rules.over(&floor), "times");
        show("batch / floor", batch.over(&floor), "times");
        ratios.push(batch.over(&floor));
        floors.push(floor.each(shape.commands()));
    }
    let last = SIZES.len() - 1;
    println!("  what a command costs in the largest table over that in the smallest");
    show("floor", floors[last] / floors[0], "times");
    judge("batch, over the floor's growth", ratios[last] / ratios[0], 1.15, "times");
    Ok(())
}

/// One round of reading all rules, without sending any.
fn read(times: &mut Times, text: &str, shape: Shape) -> Result<()> {
    let lines = times.measure(|| Ok(parse_rules(text, &Numeric).collect::<std::result::Result<Vec<_>, _>>()?))?;
    if lines.len() == shape.commands() as usize {
        return Ok(());
    }
    Err(format!("{} rules were read, not {}", lines.len(), shape.commands()).into())
}
