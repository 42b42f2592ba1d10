//! Restores a table from rules: all are read and checked before the first is sent.

use std::io::{self, Read, Write};

use ipvs_core::rules::{Invocation, Line, RuleError, parse_rules};
use ipvs_core::{Client, Command, Outcome};

use crate::names::Names;
use crate::{Failure, report, run};

/// Runs the rules of standard input.
pub(crate) fn restore(client: &Client, output: &mut impl Write) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes).map_err(Failure::Input)?;
    let text = text(bytes)?;
    let lines: Vec<Line> = match parse_rules(&text, &Names).collect() {
        Ok(lines) => lines,
        Err(error) => {
            show_place(&text, &error);
            return Err(Failure::Rule(error));
        }
    };
    let mut failed = None;
    let mut rest = lines.as_slice();
    while let Some(line) = rest.first() {
        let commands: Vec<Command> = rest
            .iter()
            .map_while(|line| match &line.invocation {
                Invocation::Change(command) => Some(command.clone()),
                _ => None,
            })
            .collect();
        if commands.is_empty() {
            if let Invocation::Restore = line.invocation {
                report(&format_args!("line {}: rules within rules cannot be restored", line.number));
                failed = Some(Failure::Reported);
            } else {
                // A listing sees what came before it.
                run(&line.invocation, client, output)?;
            }
            rest = &rest[1..];
            continue;
        }
        let done = client.batch(&commands)?;
        for (line, outcome) in rest.iter().zip(done.outcomes()) {
            let what = match outcome {
                Outcome::Done => continue,
                Outcome::Failed(error) => error.to_string(),
                Outcome::Unknown => "whether this was done is not known".to_owned(),
                Outcome::NotSent => "this was not sent".to_owned(),
            };
            report(&format_args!("line {}: {what}", line.number));
            failed = Some(Failure::Reported);
        }
        if let Some(error) = done.interrupted {
            return Err(error.into());
        }
        rest = &rest[commands.len()..];
    }
    failed.map_or(Ok(()), Err)
}

fn text(bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..good].split(|byte| *byte == b'\n').count();
        Failure::Input(io::Error::new(io::ErrorKind::InvalidData, format!("line {line} is not UTF-8")))
    })
}

/// Shows the line and, below it, where in it the error is.
fn show_place(text: &str, error: &RuleError) {
    let line = error.line.and_then(|number| text.lines().nth(number - 1));
    if let (Some(line), Some(column)) = (line, error.column) {
        let _ = writeln!(io::stderr(), "{line}\n{:>column$}", "^");
    }
}
