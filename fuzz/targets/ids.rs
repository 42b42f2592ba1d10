//! Ids, addresses, scopes, ranges and the state of a pool as text. What is read prints as what reads again as the same.

#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use ipvs_core::{
    Destination, Family, Pool, PoolConfig, Protocol, ScopePart, Service, ServiceId, TunnelChecksum,
    parse_destination_address,
};

fn round<T: FromStr<Err: Debug> + Display + PartialEq + Debug>(text: &str) {
    if let Ok(read) = text.parse::<T>() {
        assert_eq!(&read.to_string().parse::<T>().expect("what is printed reads again"), &read);
    }
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    round::<ServiceId>(text);
    round::<ScopePart>(text);
    round::<Protocol>(text);
    round::<Family>(text);
    round::<TunnelChecksum>(text);
    if let Ok(address) = parse_destination_address(text) {
        assert_eq!(parse_destination_address(&address.to_string()).ok(), Some(address));
    }
    if let Ok(ids) = ServiceId::range(text) {
        assert!(!ids.is_empty() && ids.is_sorted());
    }
    let service = Service::new("fwmark:7".parse().expect("an id"));
    let server = Destination::new("10.0.0.1:80".parse().expect("an address"));
    let config = PoolConfig::new([service]).with_servers([server]);
    let mut pool = Pool::new(config).expect("a pool");
    if pool.adopt_state(text).is_ok() {
        let state = pool.state();
        pool.adopt_state(&state).expect("its own state");
        assert_eq!(pool.state(), state);
    }
});
