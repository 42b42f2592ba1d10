//! Restores a table from rules: all are read and checked before the first is sent, unless they are to run as they arrive.

use std::fmt;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ipvs_core::rules::{Invocation, Line, Restore, RuleError, parse_line};
use ipvs_core::{Client, Command, Outcome};
use signal_hook::consts::{SIGINT, SIGPIPE, SIGTERM};
use signal_hook::iterator::Signals;

use crate::names::Names;
use crate::{FAILED, Failure, LISTING_FAILED, Program, run_line};

/// How many commands are sent before progress is shown and a signal is heard.
const SLICE: usize = 1000;

/// How long a restore takes before its progress is shown.
const PATIENCE: Duration = Duration::from_secs(1);

/// How wide the bar of the progress is, in characters.
const BAR: usize = 40;

/// How much of a line that is wrong is shown, in characters.
const SHOWN: usize = 100;

/// Runs the rules of standard input.
pub(crate) fn restore(
    program: Program,
    how: Restore,
    client: &Client,
    names: &Names,
    output: &mut impl Write,
) -> Result<(), Failure> {
    // Whether it may is better known before the first line than with each.
    client.info()?;
    let tally = Arc::new(Mutex::new(Tally::default()));
    tell_at_signal(program, &tally)?;
    let mut restoring =
        Restoring { program, how, client, names, output, tally, begin: Instant::now(), is_progress_shown: false };
    let done = if how.stream { restoring.stream() } else { restoring.whole() };
    restoring.hide_progress();
    let tally = restoring.tally();
    if how.verbose {
        program.report(&*tally);
    }
    match (done, tally.status) {
        (Ok(()), 0) => Ok(()),
        (Ok(()), status) => Err(Failure::Reported(status)),
        (Err(failure), _) => Err(failure),
    }
}

/// What has been done so far.
#[derive(Default)]
struct Tally {
    done: usize,
    refused: usize,
    unknown: usize,
    left_out: usize,
    /// The last line that was run.
    line: Option<usize>,
    /// The exit status, that of the first thing that went wrong.
    status: u8,
}

impl Tally {
    fn failed(&mut self, status: u8) {
        if self.status == 0 {
            self.status = status;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            None => f.write_str("no line was run")?,
            Some(line) => write!(f, "lines up to {line} were run: {} done, {} refused", self.done, self.refused)?,
        }
        if self.unknown > 0 {
            write!(f, ", {} unknown", self.unknown)?;
        }
        if self.left_out > 0 {
            write!(f, ", {} left out", self.left_out)?;
        }
        Ok(())
    }
}

/// Ends the program at a signal, but between two exchanges with the kernel, and says what was done until then. That nobody
/// reads its output any more is no reason to end at once.
fn tell_at_signal(program: Program, tally: &Arc<Mutex<Tally>>) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGPIPE]).map_err(Failure::Input)?;
    let tally = Arc::clone(tally);
    thread::spawn(move || {
        if let Some(signal) = signals.forever().find(|signal| *signal != SIGPIPE) {
            // While it is held, the numbers and the table are the same.
            let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            if io::stderr().is_terminal() {
                // Behind ^C or the progress.
                let _ = writeln!(io::stderr());
            }
            program.report(&format_args!("interrupted; {tally}"));
            process::exit(128 + signal);
        }
    });
    Ok(())
}

/// One restore.
struct Restoring<'a, Output> {
    program: Program,
    how: Restore,
    client: &'a Client,
    names: &'a Names,
    output: &'a mut Output,
    tally: Arc<Mutex<Tally>>,
    begin: Instant,
    is_progress_shown: bool,
}

impl<Output: Write> Restoring<'_, Output> {
    /// Runs each line as it arrives.
    fn stream(&mut self) -> Result<(), Failure> {
        self.clear()?;
        for (line, number) in io::stdin().lock().split(b'\n').zip(1..) {
            let line = line.map_err(Failure::Input)?;
            match parse_line(&line, number, self.names) {
                Ok(line) => self.run(line, 1)?,
                Err(error) => self.leave_out(&line, &error)?,
            }
            self.output.flush()?;
        }
        Ok(())
    }

    /// Reads and checks all lines before it runs the first.
    fn whole(&mut self) -> Result<(), Failure> {
        let mut text = Vec::new();
        io::stdin().lock().read_to_end(&mut text).map_err(Failure::Input)?;
        let [one, other] = self.read_lines(&text)?;
        drop(text);
        self.clear()?;
        let total = one.len() + other.len();
        self.run(one.into_iter().chain(other), total)
    }

    /// What the lines ask for. Two halves are read at once: to read them takes about as long as the kernel to do them.
    fn read_lines(&self, text: &[u8]) -> Result<[Vec<Line>; 2], Failure> {
        let half = memchr::memchr(b'\n', &text[text.len() / 2..]).map_or(text.len(), |end| text.len() / 2 + end + 1);
        let (one, other) = text.split_at(half);
        let before = memchr::memchr_iter(b'\n', one).count();
        let (one, other) = thread::scope(|scope| {
            let one = scope.spawn(|| parse_lines(one, 1, self.names));
            let other = parse_lines(other, before + 1, self.names);
            (one.join(), other)
        });
        let one = one.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        for (line, error) in one.1.into_iter().chain(other.1) {
            self.leave_out(line, &error)?;
        }
        Ok([one.0, other.0])
    }

    /// Reports a line that is no rule. It is the end unless it is to be left out.
    fn leave_out(&self, line: &[u8], error: &RuleError) -> Result<(), Failure> {
        self.report(&format_args!("{error}{}", Place(line, error)));
        let status = self.program.rule_status(error);
        if !self.how.keep_going {
            return Err(Failure::Reported(status));
        }
        let mut tally = self.tally();
        tally.left_out += 1;
        tally.failed(status);
        Ok(())
    }

    /// `ipvsadm-restore` begins with an empty table.
    fn clear(&self) -> Result<(), Failure> {
        if self.program == Program::Restore {
            self.client.flush()?;
        }
        Ok(())
    }

    /// Runs lines, the commands among them many at a time. A listing sees what came before it.
    fn run(&mut self, lines: impl IntoIterator<Item = Line>, total: usize) -> Result<(), Failure> {
        let mut lines = lines.into_iter().peekable();
        let mut done = 0;
        while let Some(line) = lines.next() {
            done += 1;
            let number = line.number;
            let command = match line.invocation {
                Invocation::Change(command) => command,
                listing => {
                    self.run_listing(number, &listing)?;
                    continue;
                }
            };
            let room = SLICE.min(total - done + 1);
            let (mut numbers, mut commands) = (Vec::with_capacity(room), Vec::with_capacity(room));
            numbers.push(number);
            commands.push(command);
            while let Some(Line { number, invocation: Invocation::Change(command) }) =
                lines.next_if(|line| commands.len() < SLICE && matches!(line.invocation, Invocation::Change(_)))
            {
                numbers.push(number);
                commands.push(command);
            }
            self.output.flush()?;
            self.run_commands(&numbers, &commands)?;
            done += commands.len() - 1;
            self.show_progress(done, total);
        }
        Ok(())
    }

    fn run_listing(&mut self, number: usize, listing: &Invocation) -> Result<(), Failure> {
        let done = run_line(listing, self.client, self.output);
        let mut tally = self.tally();
        tally.line = Some(number);
        match done {
            Ok(()) => tally.done += 1,
            Err(Failure::Ipvs(error)) => {
                tally.refused += 1;
                tally.failed(LISTING_FAILED);
                self.report(&format_args!("{number}: {error}"));
            }
            Err(failure) => return Err(failure),
        }
        Ok(())
    }

    fn run_commands(&self, numbers: &[usize], commands: &[Command]) -> Result<(), Failure> {
        let mut tally = self.tally();
        let report = self.client.batch(commands)?;
        let (mut unknown, mut not_sent) = (Vec::new(), None);
        for (number, outcome) in numbers.iter().zip(report.outcomes()) {
            match outcome {
                Outcome::Done => tally.done += 1,
                Outcome::Failed(error) => {
                    tally.refused += 1;
                    tally.failed(FAILED);
                    self.report(&format_args!("{number}: {error}"));
                }
                Outcome::Unknown => unknown.push(*number),
                Outcome::NotSent => {
                    not_sent.get_or_insert(*number);
                    continue;
                }
            }
            tally.line = Some(*number);
        }
        tally.unknown += unknown.len();
        if let [first, .., last] | [first @ last] = unknown[..] {
            self.report(&format_args!("{first}: whether this and the lines up to {last} were done is not known"));
        }
        if let Some(first) = not_sent {
            self.report(&format_args!("{first}: this and the lines behind it were not sent"));
        }
        report.interrupted.map_or(Ok(()), |error| Err(error.into()))
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One line of a terminal, written again and again.
    fn show_progress(&mut self, done: usize, total: usize) {
        if !self.how.stream && self.begin.elapsed() > PATIENCE && io::stderr().is_terminal() {
            let share = done * BAR / total;
            let (full, empty) = ("#".repeat(share), " ".repeat(BAR - share));
            let _ = write!(io::stderr(), "\r[{full}{empty}] {done} of {total} lines");
            self.is_progress_shown = true;
        }
    }

    fn hide_progress(&self) {
        if self.is_progress_shown {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
    }

    fn report(&self, what: &dyn fmt::Display) {
        self.hide_progress();
        self.program.report(what);
    }
}

/// The lines of a text whose first has this number, and those that are no rules, each with its error.
fn parse_lines<'a>(text: &'a [u8], first: usize, names: &Names) -> (Vec<Line>, Vec<(&'a [u8], RuleError)>) {
    let (mut lines, mut wrong) = (Vec::with_capacity(memchr::memchr_iter(b'\n', text).count() + 1), Vec::new());
    let mut start = 0;
    for (end, number) in memchr::memchr_iter(b'\n', text).chain([text.len()]).zip(first..) {
        let line = &text[start..end];
        match parse_line(line, number, names) {
            Ok(line) => lines.extend(line),
            Err(error) => wrong.push((line, error)),
        }
        start = end + 1;
    }
    (lines, wrong)
}

/// Shows a line and, below it, where in it the error is; of a long line only what is around that.
struct Place<'a>(&'a [u8], &'a RuleError);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(line, error) = self;
        let column = error.column.unwrap_or(1);
        let first = column.saturating_sub(SHOWN / 2);
        let visible = |letter: char| match letter {
            '\t' => ' ',
            letter if letter.is_control() => char::REPLACEMENT_CHARACTER,
            letter => letter,
        };
        let text: String = String::from_utf8_lossy(line).chars().skip(first).take(SHOWN).map(visible).collect();
        write!(f, "\n{text}")?;
        match error.column {
            Some(column) => write!(f, "\n{:>width$}", '^', width = column - first),
            None => Ok(()),
        }
    }
}
