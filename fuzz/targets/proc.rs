//! Files of `/proc`: connections, the table as everybody sees it, counters, settings.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| ipvs_core::fuzzing::proc_file(text));
