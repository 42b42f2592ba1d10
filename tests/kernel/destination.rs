//! Destinations in the kernel.

use ipvs_core::{Client, Destination, ErrorKind, Forwarding, Service, ServiceId, WEIGHT_MAX};

use crate::namespace::Namespace;

fn service(text: &str) -> (Client, ServiceId) {
    let client = Client::connect().unwrap();
    let id = text.parse().unwrap();
    client.add_service(&Service::new(id).with_scheduler("rr")).unwrap();
    (client, id)
}

fn destination(address: &str) -> Destination {
    Destination::new(address.parse().unwrap())
}

#[test]
fn what_is_added_is_what_ipvsadm_and_we_list() {
    let namespace = Namespace::enter();
    for (text, rule, address) in [
        ("tcp://10.0.0.1:80", "-t 10.0.0.1:80", "192.168.1.10:8080"),
        ("tcp://[2001:db8::1]:80", "-t [2001:db8::1]:80", "[2001:db8::a]:8080"),
    ] {
        let (client, id) = service(text);
        for (destination, settings) in [
            (destination(address).with_forwarding(Forwarding::Masquerade), "-m -w 1"),
            (destination(address).with_forwarding(Forwarding::Masquerade).with_weight(0), "-m -w 0"),
            (destination(address).with_forwarding(Forwarding::DirectRoute).with_weight(WEIGHT_MAX), "-g -w 2147483647"),
            (destination(address).with_forwarding(Forwarding::TUNNEL).with_weight(7), "-i -w 7 --tun-type ipip"),
        ] {
            client.add_destination(&id, &destination).unwrap();
            assert_eq!(namespace.witness(), [format!("-A {rule} -s rr"), format!("-a {rule} -r {address} {settings}")]);
            let listed = client.destinations(&id).unwrap();
            assert_eq!(listed.len(), 1);
            assert_eq!(listed[0].destination, destination);
            client.delete_destination(&id, &destination.address).unwrap();
            assert!(client.destinations(&id).unwrap().is_empty());
        }
        client.delete_service(&id).unwrap();
    }
}

#[test]
fn an_edit_changes_weight_and_forwarding() {
    let namespace = Namespace::enter();
    let (client, id) = service("tcp://10.0.0.1:80");
    let real = destination("192.168.1.10:80").with_forwarding(Forwarding::Masquerade);
    client.add_destination(&id, &real).unwrap();
    client.edit_destination(&id, &real.clone().with_weight(9)).unwrap();
    assert_eq!(namespace.witness()[1], "-a -t 10.0.0.1:80 -r 192.168.1.10:80 -m -w 9");
    client.edit_destination(&id, &real.with_forwarding(Forwarding::TUNNEL)).unwrap();
    assert_eq!(namespace.witness()[1], "-a -t 10.0.0.1:80 -r 192.168.1.10:80 -i -w 1 --tun-type ipip");
}

#[test]
fn a_local_address_keeps_the_method_asked_for() {
    let _namespace = Namespace::enter();
    let (client, id) = service("tcp://10.0.0.1:80");
    client.add_destination(&id, &destination("127.0.0.1:80").with_forwarding(Forwarding::TUNNEL)).unwrap();
    let listed = client.destinations(&id).unwrap();
    // Measured on 6.1: the table keeps what was asked for; the kernel takes the local way when a packet comes.
    assert_eq!(listed[0].destination.forwarding, Forwarding::TUNNEL);
}

#[test]
fn refusals_have_their_kind_and_number() {
    let _namespace = Namespace::enter();
    let (client, id) = service("tcp://10.0.0.1:80");
    let real = destination("192.168.1.10:80");

    for result in [client.edit_destination(&id, &real), client.delete_destination(&id, &real.address)] {
        let error = result.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::NoSuchDestination), "{error}");
        assert_eq!(error.raw_os_error(), Some(2));
    }
    client.add_destination(&id, &real).unwrap();
    let error = client.add_destination(&id, &real).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::DestinationExists), "{error}");
    assert_eq!(error.raw_os_error(), Some(17));
    assert_eq!(
        error.to_string(),
        "cannot add destination 192.168.1.10:80 to service tcp://10.0.0.1:80: it exists already; edit it instead, or \
         delete it first"
    );

    let missing = "tcp://10.0.0.9:80".parse().unwrap();
    for result in [
        client.add_destination(&missing, &real),
        client.edit_destination(&missing, &real),
        client.delete_destination(&missing, &real.address),
        client.destinations(&missing).map(|_| ()),
    ] {
        let error = result.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::NoSuchService), "{error}");
        assert_eq!(error.raw_os_error(), Some(3));
    }

    let error = client.add_destination(&id, &destination("224.0.0.1:80")).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::DestinationRefused), "{error}");
    assert_eq!(error.raw_os_error(), Some(22));
    let scoped = "[2001:db8::1%7]:80".parse().unwrap();
    let error = client.delete_destination(&id, &scoped).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::InvalidArgument(_)), "{error}");
    let error = client.add_destination(&id, &real.with_weight(WEIGHT_MAX + 1)).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::InvalidArgument(_)), "{error}");
}
