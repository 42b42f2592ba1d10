//! What one message of the kernel's says: services, destinations, daemons, timeouts, information.

#![no_main]

libfuzzer_sys::fuzz_target!(|message: &[u8]| ipvs_core::fuzzing::message(message));
