//! Completions for shells, made from the option table: after a command only what goes with it.

use std::fmt::Write as _;

use ipvs_core::rules::options::{COMMANDS, CommandSpec, EVERYWHERE, Name, OPTIONS, OptionSpec, Value};
use ipvs_core::scheduler;

use crate::Program;

/// What completes the value of an option.
enum Values {
    /// These words.
    Words(Vec<&'static str>),
    /// The names in a folder: interfaces, network namespaces.
    NamesIn(&'static str),
    Files,
    /// Nothing is known.
    Free,
}

impl Values {
    /// Nothing for an option that takes none.
    fn of(spec: &OptionSpec) -> Option<Self> {
        let form = match spec.value {
            Value::None => return None,
            Value::One(form) | Value::Optional(form) | Value::Three(form) => form,
        };
        Some(match spec.name {
            Name::Scheduler => Self::Words(scheduler::ALL.iter().map(|(name, _)| *name).collect()),
            Name::McastInterface => Self::NamesIn("/sys/class/net"),
            Name::Netns => Self::NamesIn("/run/netns"),
            Name::Output => Self::Files,
            _ if form.contains('|') => Self::Words(form.split('|').collect()),
            _ => Self::Free,
        })
    }
}

/// `-A` and `--add-service`.
fn forms(spec: &OptionSpec) -> Vec<String> {
    spec.short.iter().map(|letter| format!("-{letter}")).chain([format!("--{}", spec.long)]).collect()
}

/// A command, or the place of the command, as shells tell it, and what may be typed there.
struct Case {
    /// The place of the command, the name of a program with one command, or the command with or without other letters.
    patterns: Vec<String>,
    options: Vec<&'static OptionSpec>,
}

const FIRST: &str = "first";

fn cases() -> Vec<Case> {
    let taken = |command: &CommandSpec| -> Vec<_> {
        let rows = command.required.iter().chain(command.optional).copied();
        rows.flatten().chain(EVERYWHERE).map(|name| name.spec()).collect()
    };
    let first = COMMANDS.iter().map(|command| command.command.spec()).collect();
    let mut cases = vec![Case { patterns: vec![FIRST.to_owned()], options: first }];
    for program in [Program::Save, Program::Restore] {
        let Some(command) = program.command() else { continue };
        let mut options = taken(command);
        options.extend([Name::Help.spec(), Name::Version.spec()]);
        cases.push(Case { patterns: vec![program.name().to_owned()], options });
    }
    cases.extend(COMMANDS.iter().map(|command| {
        let spec = command.command.spec();
        let letters = spec.short.iter().map(|letter| format!("-{letter}*"));
        Case { patterns: letters.chain([format!("--{}", spec.long)]).collect(), options: taken(command) }
    }));
    cases
}

/// The options with a value, and what completes it.
fn values() -> impl Iterator<Item = (&'static OptionSpec, Values)> {
    OPTIONS.iter().filter_map(|spec| Some((spec, Values::of(spec)?)))
}

pub(crate) fn bash() -> String {
    let mut of_values = String::new();
    for (spec, values) in values() {
        let complete = match values {
            Values::Words(words) => format!("-W '{}'", words.join(" ")),
            Values::NamesIn(folder) => format!("-W \"$(command ls {folder} 2>/dev/null)\""),
            Values::Files => "-f".to_owned(),
            Values::Free => "-W ''".to_owned(),
        };
        let forms = forms(spec).join("|");
        let _ = writeln!(of_values, "        {forms}) COMPREPLY=($(compgen {complete} -- \"$word\")); return ;;");
    }
    let mut of_cases = String::new();
    for case in cases() {
        let words: Vec<String> = case.options.iter().flat_map(|spec| forms(spec)).collect();
        let _ = writeln!(of_cases, "        {}) options='{}' ;;", case.patterns.join("|"), words.join(" "));
    }
    format!(
        r#"# Completions of ipvsadm for bash.
_ipvsadm() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} command=${{COMP_WORDS[0]##*/}} options=
    if [ "$command" = ipvsadm ]; then
        command={FIRST}
        [ "$COMP_CWORD" = 1 ] || command=${{COMP_WORDS[1]}}
    fi
    case ${{COMP_WORDS[COMP_CWORD - 1]}} in
{of_values}    esac
    case $command in
{of_cases}    esac
    COMPREPLY=($(compgen -W "$options" -- "$word"))
}}
complete -F _ipvsadm ipvsadm ipvsadm-save ipvsadm-restore
"#
    )
}

pub(crate) fn zsh() -> String {
    let mut of_values = String::new();
    for (spec, values) in values() {
        let complete = match values {
            Values::Words(words) => format!("compadd -- {}", words.join(" ")),
            Values::NamesIn(folder) => format!("compadd -- {folder}/*(N:t)"),
            Values::Files => "_files".to_owned(),
            Values::Free => "_message value".to_owned(),
        };
        let _ = writeln!(of_values, "    ({}) {complete}; return ;;", forms(spec).join("|"));
    }
    let mut of_cases = String::new();
    for case in cases() {
        let words: Vec<String> = case
            .options
            .iter()
            .flat_map(|spec| forms(spec).into_iter().map(|form| quoted(&format!("{form}:{}", spec.help), "'\\''")))
            .collect();
        let _ = writeln!(of_cases, "    ({}) options=({}) ;;", case.patterns.join("|"), words.join(" "));
    }
    format!(
        r#"#compdef ipvsadm ipvsadm-save ipvsadm-restore
# Completions of ipvsadm for zsh.
_ipvsadm() {{
  local command=${{words[1]:t}}
  local -a options
  if [[ $command = ipvsadm ]]; then
    command={FIRST}
    (( CURRENT == 2 )) || command=$words[2]
  fi
  case $words[CURRENT-1] in
{of_values}  esac
  case $command in
{of_cases}  esac
  _describe -o option options
}}
_ipvsadm "$@"
"#
    )
}

pub(crate) fn fish() -> String {
    let mut lines = String::new();
    for case in cases() {
        let patterns = case.patterns.join(" ");
        for spec in case.options {
            let letters: Vec<String> = spec.short.iter().map(|letter| format!("-s {letter} ")).collect();
            let value = match Values::of(spec) {
                None => String::new(),
                Some(Values::Words(words)) => format!(" -x -a '{}'", words.join(" ")),
                Some(Values::NamesIn(folder)) => format!(" -x -a '(command ls {folder} 2>/dev/null)'"),
                Some(Values::Files) => " -r -F".to_owned(),
                Some(Values::Free) => " -x".to_owned(),
            };
            let help = quoted(spec.help, "\\'");
            let _ = writeln!(
                lines,
                "    complete -c $program -n '__ipvsadm_at {patterns}' {}-l {}{value} -d {help}",
                letters.concat(),
                spec.long
            );
        }
    }
    format!(
        r"# Completions of ipvsadm for fish.
function __ipvsadm_at
    set -l typed (commandline -opc)
    set -l command (string split -r -m1 / -- $typed[1])[-1]
    if test $command = ipvsadm
        set command {FIRST}
        test (count $typed) -gt 1; and set command $typed[2]
    end
    for pattern in $argv
        string match -q -- $pattern $command; and return 0
    end
    return 1
end
for program in ipvsadm ipvsadm-save ipvsadm-restore
    complete -c $program -f
{lines}end
"
    )
}

/// The text in single quotes, one within it written so.
fn quoted(text: &str, quote: &str) -> String {
    format!("'{}'", text.replace('\'', quote))
}
