//! Datagrams of the kernel's: messages, error numbers and extended acknowledgements of any length and number.

#![no_main]

libfuzzer_sys::fuzz_target!(|datagram: &[u8]| ipvs_core::fuzzing::datagram(datagram));
