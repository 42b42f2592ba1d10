//! The arguments of the three programs, in any bytes, a line each.

#![no_main]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use ipvs_core::rules::options::COMMANDS;
use ipvs_core::rules::{Numeric, parse, parse_command};

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let arguments = || text.split(|byte| *byte == b'\n').map(OsStr::from_bytes);
    let _ = parse(arguments(), &Numeric);
    for command in COMMANDS {
        let _ = parse_command(command, arguments(), &Numeric);
    }
});
