//! What `--help` shows, made from the option table.

use std::io::{self, Write};

use ipvs_core::rules::options::{COMMANDS, CommandSpec, Name, OPTIONS, Value};

pub(crate) fn write(output: &mut impl Write) -> io::Result<()> {
    write_version(output)?;
    writeln!(output)?;
    writeln!(output, "Usage:\n  ipvsadm\n      list the table")?;
    for spec in COMMANDS {
        writeln!(output, "  ipvsadm {}\n      {}", form(spec), spec.command.spec().help)?;
    }
    writeln!(output, "\nOptions:")?;
    for spec in OPTIONS.iter().filter(|spec| COMMANDS.iter().all(|command| command.command != spec.name)) {
        writeln!(output, "  {}\n      {}", with_value(spec.name, &spec.name.usage()), spec.help)?;
    }
    writeln!(output, "\nAn IPv6 address with a port stands in brackets: [2001:db8::1]:80")
}

pub(crate) fn write_version(output: &mut impl Write) -> io::Result<()> {
    writeln!(output, "ipvsadm {}: steers IPVS, the load balancer in the Linux kernel", env!("CARGO_PKG_VERSION"))
}

/// A command with what it takes: `-A -t ADDRESS[:PORT]|-u ADDRESS[:PORT] [-s NAME]`.
fn form(spec: &CommandSpec) -> String {
    let row =
        |names: &[Name]| names.iter().map(|name| with_value(*name, &shortest(*name))).collect::<Vec<_>>().join("|");
    let mut parts = vec![with_value(spec.command, &shortest(spec.command))];
    parts.extend(spec.required.iter().map(|names| row(names)));
    parts.extend(spec.optional.iter().map(|names| format!("[{}]", row(names))));
    parts.join(" ")
}

fn shortest(name: Name) -> String {
    let spec = name.spec();
    spec.short.first().map_or_else(|| format!("--{}", spec.long), |letter| format!("-{letter}"))
}

fn with_value(name: Name, form: &str) -> String {
    match name.spec().value {
        Value::None => form.to_owned(),
        Value::One(value) | Value::Three(value) => format!("{form} {value}"),
        Value::Optional(value) => format!("{form} [{value}]"),
    }
}
