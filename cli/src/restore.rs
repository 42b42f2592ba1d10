//! Restores a table from rules: all are read and checked before the first is sent, unless they are to run as they arrive.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::mem;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ipvs_core::rules::{Invocation, Line, Restore, RuleError, parse_line};
use ipvs_core::{Client, Command, Error, Options, Outcome};
use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use crate::hint::Hints;
use crate::names::Names;
use crate::{FAILED, Failure, LISTING_FAILED, Program, new_thread, plain, run_line};

/// How many quick commands are sent before a signal is heard.
const SLICE: usize = 200;

/// How long the rules run before their progress is shown, and how often it is.
const PATIENCE: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(100);

/// Room for so many bytes of rules is there from the beginning: what is not used costs nothing, and growing copies.
const ROOM: usize = 1 << 20;

/// Room for so many lines as there would be of this length, in bytes, is there too.
const SHORT_RULE: usize = 32;

/// How much of a line that is wrong is shown, in characters.
const SHOWN: usize = 100;

/// Runs the rules of standard input.
pub(crate) fn restore(
    program: Program,
    how: Restore,
    (client, options): (&Client, &Options),
    names: &Names,
    output: &mut impl Write,
) -> Result<(), Failure> {
    // Whether it may is better known before the first line than with each.
    client.info()?;
    let shared = Arc::new(Shared::default());
    let bar = ProgressBar::hidden();
    tell_at_signal(program, &shared, &bar)?;
    let output = Output { to: output, failed: None };
    let (loaded, hints) = (BTreeSet::new(), Hints::new(options));
    let mut restoring = Restoring { program, how, client, names, output, shared, bar, loaded, hints };
    let done = if how.stream { restoring.stream() } else { restoring.whole() };
    restoring.bar.finish_and_clear();
    let output = restoring.output.failed.take();
    let tally = restoring.shared.tally();
    if how.verbose {
        program.report(&*tally);
    }
    let status = tally.status;
    // It is held to the end of the process: a signal that comes now interrupts nothing, and must not say that it did.
    mem::forget(tally);
    match (done, output, status) {
        (Err(failure), ..) => Err(failure),
        (Ok(()), Some(error), 0) => Err(Failure::Output(error)),
        (Ok(()), Some(error), status) if error.kind() != io::ErrorKind::BrokenPipe => {
            program.report(&format_args!("cannot write the output: {}", plain(&error)));
            Err(Failure::Reported(status))
        }
        (Ok(()), _, 0) => Ok(()),
        (Ok(()), _, status) => Err(Failure::Reported(status)),
    }
}

/// What listings among the rules are written to. That it cannot be written any more is no reason to leave rules out.
struct Output<'a, To> {
    to: &'a mut To,
    failed: Option<io::Error>,
}

impl<To: Write> Output<'_, To> {
    /// Writes to what can still be written to; what cannot is as good as done.
    fn attempt<T>(&mut self, done: T, write: impl FnOnce(&mut To) -> io::Result<T>) -> io::Result<T> {
        if self.failed.is_some() {
            return Ok(done);
        }
        match write(self.to) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                self.failed = Some(error);
                Ok(done)
            }
            written => written,
        }
    }
}

impl<To: Write> Write for Output<'_, To> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.attempt(bytes.len(), |to| to.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.attempt((), Write::flush)
    }
}

/// What has been done so far.
#[derive(Default)]
struct Tally {
    /// `ipvsadm-restore` has deleted what was there.
    emptied: bool,
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
        if self.emptied {
            f.write_str("the table was emptied; ")?;
        }
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

/// What the thread that runs the lines shares with the one that hears signals.
#[derive(Default)]
struct Shared {
    tally: Mutex<Tally>,
    /// A signal came, and the program ends as soon as nobody holds the tally.
    is_ending: Arc<AtomicBool>,
}

impl Shared {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tally, unless the program ends: whoever just had it would mostly get it again before all others.
    fn next_tally(&self) -> MutexGuard<'_, Tally> {
        while self.is_ending.load(Ordering::Acquire) {
            thread::park();
        }
        self.tally()
    }
}

/// Ends the program at a signal, but between two exchanges with the kernel, and says what was done until then. That nobody
/// reads its output any more is no reason to end at once, and what it was started to ignore it ignores.
/// A second signal ends it at once.
fn tell_at_signal(program: Program, shared: &Arc<Shared>, bar: &ProgressBar) -> Result<(), Failure> {
    let heard = not_ignored([SIGHUP, SIGINT, SIGTERM, SIGPIPE]).map_err(Failure::Input)?;
    end_at_once(&heard, &shared.is_ending).map_err(Failure::Input)?;
    let mut signals = Signals::new(heard).map_err(Failure::Input)?;
    let (shared, bar) = (Arc::clone(shared), bar.clone());
    let wait = move || {
        if let Some(signal) = signals.forever().find(|signal| *signal != SIGPIPE) {
            shared.is_ending.store(true, Ordering::Release);
            // While it is held, the numbers and the table are the same.
            let tally = shared.tally();
            bar.finish_and_clear();
            if io::stderr().is_terminal() {
                // Behind ^C.
                let _ = writeln!(io::stderr());
            }
            program.report(&format_args!("interrupted; {tally}"));
            process::exit(128 + signal);
        }
    };
    new_thread().spawn(wait).map(drop).map_err(Failure::Input)
}

/// Ends the program at one of these signals once this is true: who is told what was done may never read it.
pub(crate) fn end_at_once(signals: &[i32], when: &Arc<AtomicBool>) -> io::Result<()> {
    for signal in signals.iter().filter(|signal| **signal != SIGPIPE) {
        flag::register_conditional_shutdown(*signal, 128 + signal, Arc::clone(when))?;
    }
    Ok(())
}

/// Those of these signals that the process was not started to ignore, as a shell's `trap '' INT` and `nohup` have it.
pub(crate) fn not_ignored(signals: impl IntoIterator<Item = i32>) -> io::Result<Vec<i32>> {
    let status = fs::read_to_string("/proc/self/status")?;
    // A bit for each that is ignored.
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    Ok(signals.into_iter().filter(|signal| ignored & 1 << (signal - 1) == 0).collect())
}

/// One restore.
struct Restoring<'a, To> {
    program: Program,
    how: Restore,
    client: &'a Client,
    names: &'a Names,
    output: Output<'a, To>,
    shared: Arc<Shared>,
    bar: ProgressBar,
    /// The schedulers and engines that the kernel is known to have at hand.
    loaded: BTreeSet<String>,
    hints: Hints<'a>,
}

impl<To: Write> Restoring<'_, To> {
    /// Runs each line as it arrives.
    fn stream(&mut self) -> Result<(), Failure> {
        self.clear()?;
        for (line, number) in io::stdin().lock().split(b'\n').zip(1..) {
            let line = line.map_err(Failure::Input)?;
            match parse_line(&line, number, self.names) {
                Ok(line) => self.run(line)?,
                Err(error) => self.leave_out(&line, &error)?,
            }
        }
        Ok(())
    }

    /// Reads and checks all lines before it runs the first.
    fn whole(&mut self) -> Result<(), Failure> {
        let text = read_input()?;
        let ([one, other], wrong) = read_lines(&text, self.names);
        for (line, error) in wrong {
            self.leave_out(line, &error)?;
        }
        drop(text);
        self.clear()?;
        self.show_progress(one.len() + other.len());
        self.run(one.into_iter().chain(other))
    }

    /// Reports a line that is no rule. It is the end unless it is to be left out.
    fn leave_out(&self, line: &[u8], error: &RuleError) -> Result<(), Failure> {
        self.report(&format_args!("{error}{}", Place(line, error)));
        let status = self.program.rule_status(error);
        if !self.how.keep_going {
            return Err(Failure::Reported(status));
        }
        let mut tally = self.shared.tally();
        tally.left_out += 1;
        tally.failed(status);
        Ok(())
    }

    /// `ipvsadm-restore` begins with an empty table.
    fn clear(&self) -> Result<(), Failure> {
        if self.program == Program::Restore {
            let mut tally = self.shared.tally();
            self.client.flush()?;
            tally.emptied = true;
        }
        Ok(())
    }

    /// Runs lines, the commands among them many at a time. A listing sees what came before it.
    fn run(&mut self, lines: impl IntoIterator<Item = Line>) -> Result<(), Failure> {
        let (mut numbers, mut commands) = (Vec::new(), Vec::new());
        for Line { number, invocation } in lines {
            let Invocation::Change(command) = invocation else {
                self.run_commands(&mut numbers, &mut commands)?;
                self.run_listing(number, &invocation)?;
                continue;
            };
            let is_slow = command.is_slow(&self.loaded);
            if is_slow {
                self.run_commands(&mut numbers, &mut commands)?;
            }
            numbers.push(number);
            commands.push(command);
            if is_slow || commands.len() == SLICE {
                self.run_commands(&mut numbers, &mut commands)?;
            }
        }
        self.run_commands(&mut numbers, &mut commands)
    }

    fn run_listing(&mut self, number: usize, listing: &Invocation) -> Result<(), Failure> {
        let done = run_line(listing, self.client, self.names, &mut self.output);
        // Before it counts as done, and while a signal can still end a write that nobody reads.
        self.output.flush()?;
        self.bar.inc(1);
        let shared = Arc::clone(&self.shared);
        let mut tally = shared.next_tally();
        tally.line = Some(number);
        match done {
            Ok(()) => tally.done += 1,
            Err(Failure::Ipvs(error)) => {
                tally.refused += 1;
                tally.failed(LISTING_FAILED);
                self.report_refusal(number, &error);
            }
            Err(failure) => return Err(failure),
        }
        Ok(())
    }

    /// Runs these commands, if any, and takes them away.
    fn run_commands(&mut self, numbers: &mut Vec<usize>, commands: &mut Vec<Command>) -> Result<(), Failure> {
        if commands.is_empty() {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        let mut tally = shared.next_tally();
        let report = self.client.batch(commands)?;
        let (mut unknown, mut not_sent) = (Vec::new(), None);
        for ((number, command), outcome) in numbers.iter().zip(&*commands).zip(report.outcomes()) {
            match outcome {
                Outcome::Done => {
                    tally.done += 1;
                    if command.is_slow(&self.loaded) {
                        self.loaded.extend(command.modules().cloned());
                    }
                }
                Outcome::Failed(error) => {
                    tally.refused += 1;
                    tally.failed(FAILED);
                    self.report_refusal(*number, error);
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
        self.bar.inc(commands.len() as u64);
        numbers.clear();
        commands.clear();
        report.interrupted.map_or(Ok(()), |error| Err(error.into()))
    }

    fn report_refusal(&mut self, number: usize, error: &Error) {
        let hint = self.hints.new_of(error);
        self.report(&format_args!("{number}: {error}{hint}"));
    }

    /// Shows how far this many lines are, if there is a terminal, once they take long: the bar is drawn while the kernel
    /// is at work too.
    fn show_progress(&self, lines: usize) {
        self.bar.set_length(lines as u64);
        if let Ok(style) = ProgressStyle::with_template("[{bar:40}] {pos} of {len} lines") {
            self.bar.set_style(style.progress_chars("# "));
        }
        if io::stderr().is_terminal() {
            let bar = self.bar.clone();
            let show = move || {
                thread::sleep(PATIENCE);
                bar.set_draw_target(ProgressDrawTarget::stderr());
                bar.enable_steady_tick(TICK);
            };
            // Without a thread there is no bar.
            let _ = new_thread().spawn(show);
        }
    }

    fn report(&self, what: &dyn fmt::Display) {
        self.bar.suspend(|| self.program.report(what));
    }
}

/// Lines that are no rules, each with its error.
type Wrong<'a> = Vec<(&'a [u8], RuleError)>;

/// All of standard input.
pub(crate) fn read_input() -> Result<Vec<u8>, Failure> {
    let mut text = Vec::with_capacity(ROOM);
    io::stdin().lock().read_to_end(&mut text).map_err(Failure::Input)?;
    Ok(text)
}

/// The lines of a text, in two parts, and those that are no rules, each with its error. Two halves are read at once: to read
/// them takes about as long as the kernel to do them.
pub(crate) fn read_lines<'a>(text: &'a [u8], names: &Names) -> ([Vec<Line>; 2], Wrong<'a>) {
    let half = memchr::memchr(b'\n', &text[text.len() / 2..]).map_or(text.len(), |end| text.len() / 2 + end + 1);
    let (one, other) = text.split_at(half);
    let before = memchr::memchr_iter(b'\n', one).count();
    let (one, other) = thread::scope(|scope| {
        let thread = new_thread().spawn_scoped(scope, || parse_lines(one, 1, names));
        let other = parse_lines(other, before + 1, names);
        // Where there is no other thread to be had, this one does it.
        let one = thread.map_or_else(|_| Ok(parse_lines(one, 1, names)), thread::ScopedJoinHandle::join);
        (one, other)
    });
    let (one, mut wrong) = one.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    wrong.extend(other.1);
    ([one, other.0], wrong)
}

/// The lines of a text whose first has this number, and those that are no rules, each with its error.
fn parse_lines<'a>(text: &'a [u8], first: usize, names: &Names) -> (Vec<Line>, Wrong<'a>) {
    let (mut lines, mut wrong) = (Vec::with_capacity(text.len().min(ROOM) / SHORT_RULE), Vec::new());
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
pub(crate) struct Place<'a>(pub &'a [u8], pub &'a RuleError);

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
