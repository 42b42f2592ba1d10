//! Times of many rounds as one figure, and a figure beside its target.

use std::time::{Duration, Instant};

use crate::Result;

/// What the same work took, round by round.
pub struct Times {
    name: &'static str,
    rounds: Vec<Duration>,
}

impl Times {
    pub fn new(name: &'static str) -> Self {
        Self { name, rounds: Vec::new() }
    }

    /// Does the work with the clock on.
    pub fn measure<T>(&mut self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let start = Instant::now();
        let done = work();
        self.rounds.push(start.elapsed());
        done
    }

    /// Takes in a time that was measured elsewhere.
    pub fn push(&mut self, time: Duration) {
        self.rounds.push(time);
    }

    pub fn median(&self) -> Duration {
        let mut rounds = self.rounds.clone();
        rounds.sort_unstable();
        rounds.get(rounds.len() / 2).copied().unwrap_or_default()
    }

    /// The median in microseconds for each of so many things.
    pub fn each(&self, count: u32) -> f64 {
        self.median().as_secs_f64() * 1e6 / f64::from(count)
    }

    /// How many times as long as the other: the median over the rounds that both were in, as a machine that is slow now
    /// and fast later is so to both.
    pub fn over(&self, other: &Self) -> f64 {
        let pairs = self.rounds.iter().zip(&other.rounds);
        let mut ratios: Vec<f64> = pairs.map(|(own, other)| own.as_secs_f64() / other.as_secs_f64()).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// One line: median, lowest, highest, and the median for each of so many things.
    pub fn print(&self, count: u32, thing: &str) {
        let milliseconds = |time: Option<&Duration>| time.copied().unwrap_or_default().as_secs_f64() * 1e3;
        println!(
            "  {:<34} {:>9.1} ms ({:.1} to {:.1}, {} rounds)  {:.1} µs a {thing}",
            self.name,
            milliseconds(Some(&self.median())),
            milliseconds(self.rounds.iter().min()),
            milliseconds(self.rounds.iter().max()),
            self.rounds.len(),
            self.each(count),
        );
    }
}

/// One line: a figure.
pub fn show(name: &str, figure: f64, unit: &str) {
    println!("  {name:<34} {figure:>9.2} {unit}");
}

/// One line: a figure, the most that it should be, and whether it is no more.
pub fn judge(name: &str, figure: f64, target: f64, unit: &str) {
    let word = if figure <= target { "PASS" } else { "MISS" };
    println!("  {name:<34} {figure:>9.2} {unit}  target {target:.2} {unit}  {word}");
}

/// One line: a figure, the least that it should be, and whether it is no less.
pub fn judge_least(name: &str, figure: f64, target: f64, unit: &str) {
    let word = if figure >= target { "PASS" } else { "MISS" };
    println!("  {name:<34} {figure:>9.2} {unit}  at least {target:.2} {unit}  {word}");
}

/// Runs both; which is first changes from round to round.
pub fn take_turns(round: u32, one: impl FnOnce() -> Result<()>, other: impl FnOnce() -> Result<()>) -> Result<()> {
    if round.is_multiple_of(2) {
        one()?;
        other()
    } else {
        other()?;
        one()
    }
}
