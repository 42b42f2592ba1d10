//! Completions for shells, made from the option table: after a command only what goes with it.

use std::fmt::Write as _;

use ipvs_core::rules::options::{COMMANDS, CommandSpec, Name, OPTIONS, OptionSpec, Value};
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
        rows.flatten().chain(command.everywhere).map(|name| name.spec()).collect()
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
        let patterns = case.patterns.join("\" \"");
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
                "    complete -c $program -n '__ipvsadm_at \"{patterns}\"' {}-l {}{value} -d {help}",
                letters.concat(),
                spec.long
            );
            // Once it is typed the command's place is behind, and the line above is not met for its value any more.
            if spec.name.command().is_some() && !value.is_empty() {
                let condition = format!("__ipvsadm_at --{}; and test (count (commandline -opc)) = 2", spec.long);
                let _ = writeln!(lines, "    complete -c $program -n '{condition}'{value}");
            }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io::Write as _;
    use std::process::Command;

    use ipvs_core::rules::{Numeric, parse};

    use super::*;
    use crate::{help, manual};

    /// What each shell runs: the completions are in the file that is its first argument, behind it are the words typed.
    const BASH: &str =
        r#"source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ipvsadm; printf '%s\n' "${COMPREPLY[@]}""#;
    /// What would show the candidates within a completion prints them.
    const ZSH: &str = r#"
        _describe() { print -l -- ${options%%:*} }
        compadd() { shift; print -l -- $@ }
        _files() { print -l -- * }
        _message() { }
        completions=$0; words=("$@"); CURRENT=$#; set --; source $completions"#;
    const FISH: &str = r"source $argv[1]; complete -C (string join ' ' -- $argv[2..-1])";

    /// The candidates of a shell for the last of the words.
    fn candidates(shell: &str, words: &[&str]) -> BTreeSet<String> {
        let (text, program) = match shell {
            "bash" => (bash(), BASH),
            "zsh" => (zsh(), ZSH),
            _ => (fish(), FISH),
        };
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let options: &[&str] = if shell == "fish" { &["--no-config", "-c"] } else { &["-c"] };
        let output = Command::new(shell).args(options).arg(program).arg(file.path()).args(words).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(errors, "", "{shell} {words:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned());
        lines.filter(|line| !line.is_empty()).collect()
    }

    /// What an option needs behind it.
    fn values(spec: &OptionSpec) -> &'static [&'static str] {
        match spec.value {
            Value::None | Value::Optional(_) => &[],
            Value::One(_) => &["1"],
            Value::Three(_) => &["1", "2", "3"],
        }
    }

    /// Whether the parser takes the option with the command: what it refuses then is the help behind it.
    fn takes(command: &OptionSpec, option: &OptionSpec) -> bool {
        let (command, given) = (format!("--{}", command.long), (values(command), values(option)));
        let option_form = format!("--{}", option.long);
        let words = [&[&*command], given.0, &[&*option_form], given.1, &["--help"]].concat();
        let refused = parse(words, &Numeric).unwrap_err().message;
        assert!(refused.contains("does not go with it") || refused.contains("is given twice"), "{refused}");
        refused.contains(&format!("{} does not go", Name::Help.usage())) && option.name != Name::Help
    }

    #[test]
    fn every_shell_offers_what_the_parser_takes() {
        for command in COMMANDS.iter().map(|command| command.command.spec()) {
            // What stands behind these does not matter, and nothing is offered.
            let is_last = matches!(command.name, Name::Help | Name::Version);
            let taken: BTreeSet<String> =
                OPTIONS.iter().filter(|option| !is_last && takes(command, option)).flat_map(forms).collect();
            for typed in forms(command) {
                let words = |program, last| [&[program, typed.as_str()], values(command), &[last]].concat();
                for shell in ["bash", "zsh", "fish"] {
                    let mut offered = candidates(shell, &words("ipvsadm", "-"));
                    offered.extend(candidates(shell, &words("/usr/sbin/ipvsadm", "--")));
                    assert_eq!(offered, taken, "{shell} {typed}");
                }
            }
        }
    }

    #[test]
    fn commands_values_and_programs_are_offered() {
        let all = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<BTreeSet<_>>();
        let commands: BTreeSet<_> = COMMANDS.iter().flat_map(|command| forms(command.command.spec())).collect();
        let schedulers: BTreeSet<_> = scheduler::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
        for shell in ["bash", "zsh", "fish"] {
            let mut offered = candidates(shell, &["ipvsadm", "-"]);
            offered.extend(candidates(shell, &["ipvsadm", "--"]));
            assert_eq!(offered, commands, "{shell}");
            assert!(candidates(shell, &["ipvsadm", "-Ln", "--"]).contains("--json"), "{shell}");
            assert_eq!(candidates(shell, &["ipvsadm", "-a", "--tun-type", ""]), all(&["ipip", "gue", "gre"]));
            assert_eq!(candidates(shell, &["ipvsadm", "-A", "-s", ""]), schedulers);
            assert_eq!(candidates(shell, &["ipvsadm", "--start-daemon", ""]), all(&["master", "backup"]));
            assert!(
                candidates(shell, &["ipvsadm", "--start-daemon", "master", "--mcast-interface", ""]).contains("lo")
            );
            assert!(candidates(shell, &["ipvsadm-save", "--output", ""]).contains("Cargo.toml"));
            let mut offered = candidates(shell, &["ipvsadm-restore", "-"]);
            offered.extend(candidates(shell, &["ipvsadm-restore", "--"]));
            let expected = [
                "--keep-going",
                "--stream",
                "--verbose",
                "--sort",
                "--netns",
                "--wait",
                "-h",
                "--help",
                "-v",
                "--version",
            ];
            assert_eq!(offered, all(&expected), "{shell}");
        }
    }

    #[test]
    fn help_and_manual_have_every_option_and_command() {
        let mut text = Vec::new();
        help::write(Program::Ipvsadm, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let page = manual::page();
        for spec in OPTIONS {
            let form = help::with_value(spec.name, &spec.name.usage());
            let shown = if spec.name.command().is_none() { &form } else { spec.help };
            assert!(
                text.contains(&format!("\n  {shown}\n")) || text.contains(&format!("\n      {shown}\n")),
                "{shown}"
            );
            let entry = format!(".TP\n.B {form}\n{}\n", spec.help).replace('-', "\\-");
            assert!(page.contains(&entry), "{entry}");
        }
        for command in COMMANDS {
            assert!(text.contains(&format!("\n  ipvsadm {}\n", help::form(command))));
            assert!(page.contains(&format!("\n.B ipvsadm {}\n", help::form(command).replace('-', "\\-"))));
        }
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(page.as_bytes()).unwrap();
        let lint = Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).arg(file.path()).output().unwrap();
        let complaints = String::from_utf8(lint.stdout).unwrap();
        // It has no date: the version says which it is.
        let others: Vec<&str> = complaints.lines().filter(|line| !line.contains("missing date")).collect();
        assert!(others.is_empty(), "{others:?}");
    }
}
