//! What `--help` shows, made from the option table.

use std::io::{self, Write};

use ipvs_core::rules::options::{COMMANDS, CommandSpec, EVERYWHERE, Name, OPTIONS, REPEATED, SERVICE, Value};

use crate::Program;

pub(crate) fn write(program: Program, output: &mut impl Write) -> io::Result<()> {
    write_version(program, output)?;
    if let Some(command) = program.command() {
        let what = match program {
            Program::Restore => "delete every virtual service, then run the rules on standard input, a command a line",
            _ => command.command.spec().help,
        };
        writeln!(output, "\nUsage:\n  {}{}\n      {what}\n\nOptions:", program.name(), taken(command))?;
        let names =
            command.optional.iter().copied().flatten().chain(EVERYWHERE.iter().filter(|name| **name != Name::Sort));
        return names.chain(&[Name::Help, Name::Version]).try_for_each(|name| write_option(*name, output));
    }
    writeln!(output, "\nUsage:\n  ipvsadm\n      list the table")?;
    for spec in COMMANDS {
        writeln!(output, "  ipvsadm {}\n      {}", form(spec), spec.command.spec().help)?;
    }
    writeln!(output, "\nSERVICE is one of {}\n\nOptions:", service_forms())?;
    for spec in OPTIONS.iter().filter(|spec| spec.name.command().is_none()) {
        write_option(spec.name, output)?;
    }
    writeln!(output, "\nAn IPv6 address with a port stands in brackets: [2001:db8::1]:80")
}

pub(crate) fn write_version(program: Program, output: &mut impl Write) -> io::Result<()> {
    let (name, version) = (program.name(), env!("CARGO_PKG_VERSION"));
    writeln!(output, "{name} {version}: steers IPVS, the load balancer in the Linux kernel")
}

fn write_option(name: Name, output: &mut impl Write) -> io::Result<()> {
    writeln!(output, "  {}\n      {}", with_value(name, &name.usage()), name.spec().help)
}

/// A command and what it takes: `-d SERVICE -r ADDRESS[:PORT]`.
pub(crate) fn form(spec: &CommandSpec) -> String {
    with_value(spec.command, &shortest(spec.command)) + &taken(spec)
}

/// What a command takes: ` SERVICE -r ADDRESS[:PORT] [-w NUMBER]`.
fn taken(spec: &CommandSpec) -> String {
    let row = |names: &[Name]| {
        let (service, others) = match names.strip_prefix(SERVICE) {
            Some(others) => (Some("SERVICE".to_owned()), others),
            None => (None, names),
        };
        let others = others.iter().map(|name| {
            let form = shortest(*name);
            if spec.without_value.contains(name) { form } else { with_value(*name, &form) }
        });
        service.into_iter().chain(others).collect::<Vec<_>>().join("|")
    };
    let required = spec.required.iter().map(|names| format!(" {}", row(names)));
    let optional = spec.optional.iter().filter(|names| **names != [Name::Ipv6]);
    let more = |names: &[Name]| if names.iter().any(|name| REPEATED.contains(name)) { "..." } else { "" };
    required.chain(optional.map(|names| format!(" [{}]{}", row(names), more(names)))).collect()
}

/// What a service is named by.
pub(crate) fn service_forms() -> String {
    let forms: Vec<String> = SERVICE.iter().map(|name| with_value(*name, &shortest(*name))).collect();
    format!("{} [{}]", forms.join(", "), shortest(Name::Ipv6))
}

fn shortest(name: Name) -> String {
    let spec = name.spec();
    spec.short.first().map_or_else(|| format!("--{}", spec.long), |letter| format!("-{letter}"))
}

pub(crate) fn with_value(name: Name, form: &str) -> String {
    match name.spec().value {
        Value::None => form.to_owned(),
        Value::One(value) | Value::Three(value) => format!("{form} {value}"),
        Value::Optional(value) => format!("{form} [{value}]"),
    }
}
