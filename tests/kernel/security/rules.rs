//! Rules are rules and nothing else.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use super::environment::{HOSTILE, Traced, is_known, placed, traced, traps};
use crate::faces::{lua_call, python_call};
use crate::namespace::{Namespace, built, run};

/// Lines that would do more than rules do, if anybody took them for it. `{}` is a folder with traps.
const NO_RULES: &[&str] = &[
    "-R",
    "-R < {}/rules",
    "--restore --stream",
    "ipvsadm -R {}/rules",
    "--apply",
    "--apply --scope 10.0.0.0/8",
    "--drain -t 10.0.0.1:80 -r 127.0.0.1:8080",
    "--watch",
    "--sync-role none",
    "--generate man",
    "-h",
    "--version",
    "-S --output {}/mark",
    "-S --output={}/mark",
    "-L -n --output {}/mark",
    "-L --netns {}/hosts",
    "-A -t 10.0.0.2:80 --netns /proc/1/ns/net",
    "-C --netns=/proc/1/ns/net",
    "-A -t 10.0.0.2:80 --wait 0",
    "-C > {}/mark",
    "-C >{}/mark",
    "-C; touch {}/mark",
    "-C | touch {}/mark",
    "-C && touch {}/mark",
    "-C & touch {}/mark",
    "| touch {}/mark",
    "! touch {}/mark",
    "!{}/sh",
    "$({}/sh)",
    "`{}/sh`",
    "{}/sh",
    "sh {}/sh",
    "modprobe ip_vs",
    "/sbin/modprobe ip_vs",
    "-A -t $({}/sh):80",
    "-A -t `{}/sh`:80",
    "-A -t ${HOME}:80",
    "-A -t $HOME:80",
    "-A -t ~:80",
    "-A -t *:80",
    "-A -t 10.0.0.2:{}/services",
    "-A -t {}/hosts:80",
    "-A -t @{}/hosts",
    "-A @{}/rules",
    "@{}/rules",
    "include {}/rules",
    "include \"{}/rules\"",
    "!include {}/rules",
    "%include {}/rules",
    ". {}/rules",
    "source {}/rules",
    "-f {}/rules",
    "--file {}/rules",
    "--config={}/rules",
    "-A -f {}/rules",
    "-A -f 0x7",
    "-A -t 10.0.0.2:80 -s {}/sh",
    "-A -t 10.0.0.2:80 -s ../../sh",
    "-A -t 10.0.0.2:80 --pe ../sh",
    "-a -t 10.0.0.1:80 -r {}/hosts",
    "-a -t 10.0.0.1:80 -r file:///etc/passwd",
    "--start-daemon master --mcast-interface {}/lib",
    "\u{1b}]0;title\u{7}\u{1b}[2J",
    "-A -t \u{1b}[31m:80",
    "%s%n%n",
];

/// How many lines of a file are refused, each by itself, by whatever takes rules.
const PYTHON_RULES: &str = r#"
import ipvs
lb = ipvs.Client()
lines = open("{}", newline="\n").read().split("\n")
refused = sent = 0
for line in lines:
    try:
        lb.restore(line).check()
    except ipvs.RuleError:
        for read in ipvs.parse_rules, ipvs.Table.from_rules:
            try: read(line)
            except ipvs.RuleError: pass
            else: raise SystemExit(line)
    except (ipvs.NoSuchScheduler, ipvs.NoSuchPersistenceEngine):
        sent += 1
    else:
        raise SystemExit(line)
    refused += 1
print(f"{refused} of {len(lines)}, {sent} of which the kernel refused")
"#;
const LUA_RULES: &str = r#"
local ipvs = require "ipvs"
local lb = assert(ipvs.connect())
local count, refused, sent = 0, 0, 0
for line in io.lines "{}" do
    count = count + 1
    local report, err = lb:restore(line)
    assert(not report, line)
    if err.kind == "invalid_rule" then
        assert(not ipvs.parse_rules(line), line)
    else
        assert(err.kind == "no_such_scheduler" or err.kind == "no_such_persistence_engine", err.kind)
        sent = sent + 1
    end
    refused = refused + 1
end
print(refused .. " of " .. count .. ", " .. sent .. " of which the kernel refused")
"#;

#[test]
fn a_file_of_rules_names_no_file_no_namespace_and_no_program() {
    let namespace = Namespace::enter();
    namespace.debian("-A -t 10.0.0.1:80 -s rr").success();
    let traps = traps();
    let lines: Vec<String> = NO_RULES.iter().map(|line| line.replace("{}", traps.path().to_str().unwrap())).collect();
    let hostile = placed(HOSTILE, &traps);
    let call = |arguments: &[&str], rules: &str| {
        let program = built("ipvsadm");
        let words: Vec<&OsStr> = [program.as_os_str()].into_iter().chain(arguments.iter().map(OsStr::new)).collect();
        let Traced { ran, files, programs } = traced(&[], &words, &hostile, traps.path(), rules);
        let strange: Vec<_> = files.iter().filter(|file| !is_known(file) && Path::new(file) != program).collect();
        assert_eq!((strange, programs), (vec![], 1), "{arguments:?}");
        let is_plain = |letter: char| letter == '\n' || !letter.is_control();
        assert!(ran.stderr.chars().all(is_plain), "{}", ran.stderr.escape_debug());
        ran
    };
    // All together. Two of them are rules, of schedulers and engines that the kernel does not have.
    let lines = lines.join("\n");
    for how in [&["-R", "--keep-going", "--verbose"][..], &["-R", "--keep-going", "--verbose", "--stream"]] {
        let ran = call(how, &lines);
        let expected = format!("0 done, 2 refused, {} left out\n", NO_RULES.len() - 2);
        assert!(ran.stderr.ends_with(&expected), "{}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
    // The modules take changes only.
    let rules = traps.path().join("lines");
    fs::write(&rules, &lines).unwrap();
    let told = |program: &str| program.replace("{}", rules.to_str().unwrap());
    for (program, arguments) in [python_call(&told(PYTHON_RULES)), lua_call(&told(LUA_RULES))] {
        let counted = run(program, arguments).success();
        assert_eq!(counted, format!("{} of {}, {} of which the kernel refused\n", NO_RULES.len(), NO_RULES.len(), 2));
    }
    assert_eq!(namespace.witness(), ["-A -t 10.0.0.1:80 -s rr"]);
    assert!(!traps.path().join("mark").exists());
}
