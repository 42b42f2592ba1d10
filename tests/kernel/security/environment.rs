//! No variable and no folder changes what is done, no other program is run, and no file is opened but those that are known.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;

use ipvs_core::{Client, Family, Service, ServiceId};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tempfile::TempDir;

use super::calls::{CALLS, LUA_CALLS, PYTHON_CALLS, called, director};
use super::{NET_ADMIN, said, with_file_capability};
use crate::faces::{lua_call, python_call};
use crate::namespace::{Namespace, Ran, built, file_of, ran};

/// Variables that other programs go by, `{}` being a folder full of traps.
pub const HOSTILE: &[(&str, &str)] = &[
    ("PATH", "{}"),
    ("IFS", "/"),
    ("ENV", "{}/sh"),
    ("BASH_ENV", "{}/sh"),
    ("SHELL", "{}/sh"),
    ("PAGER", "{}/sh"),
    ("EDITOR", "{}/sh"),
    ("HOME", "{}"),
    ("TMPDIR", "{}"),
    ("PWD", "{}"),
    ("XDG_CONFIG_HOME", "{}"),
    ("MODPROBE_OPTIONS", "--dirname {}"),
    ("TERM", "{}/lib"),
    ("TERMINFO", "{}"),
    ("COLUMNS", "7"),
    ("LINES", "1"),
    ("NO_COLOR", "1"),
    ("CLICOLOR_FORCE", "1"),
    ("LANG", "tr_TR.UTF-8"),
    ("LC_ALL", "tr_TR.UTF-8"),
    ("LOCPATH", "{}"),
    ("NLSPATH", "{}/%N"),
    ("GCONV_PATH", "{}"),
    ("TZ", "{}/hosts"),
    ("RUST_BACKTRACE", "full"),
    ("RUST_LOG", "trace"),
    ("RUST_MIN_STACK", "9000000000000000000"),
    ("MALLOC_PERTURB_", "85"),
    ("MALLOC_TRACE", "{}/mark"),
    ("GLIBC_TUNABLES", "glibc.malloc.check=3:glibc.malloc.perturb=85"),
    ("LD_BIND_NOW", "1"),
    ("LISTEN_FDS", "3"),
    ("NOTIFY_SOCKET", "{}/mark"),
];

/// Files that somebody who can write to the working directory would leave there: those that run leave a mark.
pub fn traps() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    let program = format!("#!/bin/sh\ntouch {}\n", path.join("mark").display());
    for name in ["modprobe", "ipvsadm", "ip", "sh", "insmod", "kmod"] {
        fs::write(path.join(name), &program).unwrap();
        fs::set_permissions(path.join(name), Permissions::from_mode(0o755)).unwrap();
    }
    for name in ["hosts", "services", "nsswitch.conf", "resolv.conf", "ip_vs", "libc.so.6", "libgcc_s.so.1", "rules"] {
        fs::write(path.join(name), "10.66.66.66 trap\ntrap 666/tcp\n").unwrap();
    }
    fs::create_dir_all(path.join("lib/modules")).unwrap();
    folder
}

/// Variables with the folder of the traps in its place.
pub fn placed<'a>(variables: &[(&'a str, &str)], traps: &TempDir) -> Vec<(&'a str, String)> {
    variables.iter().map(|(name, value)| (*name, value.replace("{}", traps.path().to_str().unwrap()))).collect()
}

/// What a program says, and which files it names to the kernel, with the numbers of processes and threads as `N`.
pub struct Traced {
    pub ran: Ran,
    pub files: BTreeSet<String>,
    pub programs: usize,
}

/// Runs a program under strace with nothing in its environment but these variables.
pub fn traced(strace: &[&str], program: &[&OsStr], variables: &[(&str, String)], folder: &Path, input: &str) -> Traced {
    traced_as(|_| (), strace, program, variables, folder, input)
}

/// The same with something else about the process.
fn traced_as(
    change: impl FnOnce(&mut Command),
    strace: &[&str],
    program: &[&OsStr],
    variables: &[(&str, String)],
    folder: &Path,
    input: &str,
) -> Traced {
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new("/usr/bin/strace");
    command.env_clear().current_dir(folder).stdin(file_of(input)).args(["-f", "-qq", "-s", "4096"]).args(strace);
    command.arg("--trace=%file,%process,connect,bind").arg("--output").arg(log.path());
    for (name, value) in variables {
        command.arg(format!("--env={name}={value}"));
    }
    command.args(program);
    change(&mut command);
    let ran = ran(command);
    let log = fs::read_to_string(log.path()).unwrap();
    let calls: Vec<&str> = log.lines().filter_map(|line| Some(line.split_once(' ')?.1.trim_start())).collect();
    let programs = calls.iter().filter(|call| call.starts_with("exec")).count();
    Traced { ran, files: calls.iter().filter_map(|call| file(call)).collect(), programs }
}

/// The file that a system call names. A socket with an abstract name is none.
fn file(call: &str) -> Option<String> {
    let (name, arguments) = call.split_once('(').filter(|_| !call.starts_with('<'))?;
    if matches!(name, "connect" | "bind") && !arguments.contains("sun_path=\"") {
        return None;
    }
    let path = arguments.split('"').nth(1).filter(|path| !path.is_empty())?;
    let parts = path.split('/').map(|part| if part.parse::<u32>().is_ok() { "N" } else { part });
    Some(parts.collect::<Vec<_>>().join("/"))
}

/// Whether it is among what may be named to the kernel: libraries where the loader looks for them, settings, what the resolver
/// reads for names, and what is our own.
pub fn is_known(file: &str) -> bool {
    ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/proc/sys/net/ipv4/vs"]
        .iter()
        .any(|folder| Path::new(file).starts_with(folder))
        || KNOWN.contains(&file)
        || RESOLVER.contains(&file)
}

/// What is read where a name is looked up.
const RESOLVER: &[&str] = &[
    "/",
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/resolv.conf",
    "/etc/services",
    "/var/run/nscd/socket",
];

const KNOWN: &[&str] = &[
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/etc/suid-debug",
    // Our own.
    "/dev/log",
    "/proc",
    "/proc/N/comm",
    "/proc/N/ns/net",
    "/proc/modules",
    "/proc/self",
    "/proc/self/status",
    "/proc/thread-self/net/ip_vs",
    "/proc/thread-self/net/ip_vs_conn",
    "/proc/thread-self/net/ip_vs_stats",
    "/proc/thread-self/ns/net",
];

#[test]
fn no_variable_and_no_folder_changes_what_is_done() {
    let traps = traps();
    let hostile = placed(HOSTILE, &traps);
    let plain = called(|program| {
        let mut command = Command::new(built(program));
        command.env_clear();
        command
    });
    // Under strace a name may not be found within the second that there is for that, so whether this one was is not compared.
    let without_names = |ran: &Ran| format!("{:?}", said(ran)).replace("localhost", "127.0.0.1");
    let (_namespace, folder) = director();
    for ((program, arguments, input), (_, plain, _)) in CALLS.iter().zip(plain) {
        let line = arguments.replace("{}", folder.path().to_str().unwrap());
        let program = built(program);
        let words: Vec<&OsStr> =
            [program.as_os_str()].into_iter().chain(line.split_whitespace().map(OsStr::new)).collect();
        let Traced { ran, files, programs } = traced(&[], &words, &hostile, traps.path(), input);
        assert_eq!(without_names(&ran), without_names(&plain), "{arguments}");
        assert_eq!(programs, 1, "{arguments}");
        let is_told = |file: &str| Path::new(file) == program || Path::new(file).starts_with(&folder);
        let strange: Vec<_> = files.iter().filter(|file| !is_known(file) && !is_told(file)).collect();
        assert_eq!(strange, [""; 0], "{arguments}");
    }
    // What watches ends when nobody reads it any more.
    let (reader, writer) = std::io::pipe().unwrap();
    let change = thread::spawn(move || {
        let client = Client::connect().unwrap();
        for mark in 100.. {
            client.add_service(&Service::new(ServiceId::Fwmark { mark, family: Family::Ipv4 })).unwrap();
            let interval = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
            if poll(&mut [PollFd::new(&reader, PollFlags::IN)], Some(&interval)).unwrap() == 1 {
                break;
            }
        }
        let mut first = String::new();
        BufReader::new(reader).read_line(&mut first).unwrap();
        first
    });
    let program = built("ipvsadm");
    let words = [program.as_os_str(), OsStr::new("--watch"), OsStr::new("--interval"), OsStr::new("0.05")];
    let Traced { ran, files, programs } =
        traced_as(|command| _ = command.stdout(writer), &[], &words, &hostile, traps.path(), "");
    assert_eq!((ran.status, &*ran.stderr, programs), (Some(0), "", 1));
    let change = change.join().unwrap();
    assert!(change.contains("fwmark:"), "{change}");
    let strange: Vec<_> = files.iter().filter(|file| !is_known(file) && Path::new(file) != program).collect();
    assert_eq!(strange, [""; 0]);
    assert!(!traps.path().join("mark").exists());
}

/// What the interpreters themselves read aside.
#[test]
fn the_modules_run_no_program_and_name_no_file_of_the_folder_either() {
    let traps = traps();
    // Python itself reads the files of its time zone and its language.
    let is_others = |name: &str| !["TZ", "LOCPATH"].contains(&name);
    let hostile: Vec<_> = placed(HOSTILE, &traps).into_iter().filter(|(name, _)| is_others(name)).collect();
    let (python, python_arguments) = python_call(PYTHON_CALLS);
    let (lua, lua_arguments) = lua_call(&format!("package.path = ''\n{LUA_CALLS}"));
    // Isolated, Python itself looks neither at the folder nor at its variables.
    for (program, first, arguments) in [(&python, Some("-I"), python_arguments), (&lua, None, lua_arguments)] {
        let plain = {
            let _director = director();
            let mut command = Command::new(program);
            command.env_clear().args(first).args(&arguments);
            ran(command).success()
        };
        let _director = director();
        let words: Vec<&OsStr> = [program.as_os_str()]
            .into_iter()
            .chain(first.map(OsStr::new))
            .chain(arguments.iter().map(OsStr::new))
            .collect();
        let Traced { ran, files, programs } = traced(&[], &words, &hostile, traps.path(), "");
        assert_eq!(ran.success(), plain, "{program:?}");
        assert_eq!(programs, 1, "{program:?}");
        let is_system =
            |file: &&String| ["/dev", "/proc", "/run"].iter().any(|folder| Path::new(file).starts_with(folder));
        let strange: Vec<_> = files.iter().filter(is_system).filter(|file| !is_known(file)).collect();
        assert_eq!(strange, [""; 0], "{program:?}");
        assert_eq!(files.iter().find(|file| RESOLVER[1..].contains(&file.as_str())), None, "{program:?}");
        let trapped = |file: &&String| !file.starts_with('/') || Path::new(file).starts_with(&traps);
        assert_eq!(files.iter().find(trapped), None, "{program:?}");
    }
    assert!(!traps.path().join("mark").exists());
}

/// A program without privileges of its own takes libraries and the places of names from the environment, as all do. One that
/// has the capability itself takes neither.
#[test]
fn what_the_c_library_takes_from_the_environment_ends_where_the_file_has_the_capability() {
    let _namespace = Namespace::enter();
    let (traps, copies) = (traps(), with_file_capability(&[NET_ADMIN]));
    let (plain, capable) = (built("ipvsadm"), copies.path().join("ipvsadm"));
    let call = |program: &Path, arguments: &[&str], variables: &[(&str, &str)]| {
        let words: Vec<&OsStr> = [program.as_os_str()].into_iter().chain(arguments.iter().map(OsStr::new)).collect();
        let Traced { ran, files, .. } =
            traced(&["--user=nobody"], &words, &placed(variables, &traps), traps.path(), "");
        (ran, files.iter().any(|file| Path::new(file).starts_with(&traps)))
    };
    let libraries = [("LD_LIBRARY_PATH", "{}"), ("LD_PRELOAD", "{}/libc.so.6"), ("LD_AUDIT", "{}/libc.so.6")];
    let (ran, is_trapped) = call(&plain, &["-v"], &libraries);
    assert!(ran.status != Some(0) && is_trapped, "{ran:?}");
    let (ran, is_trapped) = call(&capable, &["-Ln"], &libraries);
    assert!(ran.success().starts_with("IP Virtual Server") && !is_trapped);

    let places = [
        ("HOSTALIASES", "{}/hosts"),
        ("RESOLV_HOST_CONF", "{}/hosts"),
        ("LOCALDOMAIN", "trap"),
        ("RES_OPTIONS", "debug"),
    ];
    for (program, expected) in [(&plain, true), (&capable, false)] {
        let (ran, is_trapped) = call(program, &["-A", "-t", "name:80"], &places);
        assert_eq!((ran.status, is_trapped), (Some(2), expected), "{ran:?}");
        // Numbers are no names.
        assert!(!call(program, &["-A", "-t", "10.0.0.1:80"], &places).1);
    }
    assert!(!traps.path().join("mark").exists());
}
