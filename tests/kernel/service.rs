//! Virtual services in the kernel.

use ipvs_core::{Client, ErrorKind, Netmask, Service, ServiceId, Stats};

use crate::namespace::Namespace;

fn id(text: &str) -> ServiceId {
    text.parse().unwrap()
}

#[test]
fn what_is_added_is_what_ipvsadm_and_we_list() {
    let namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    for (text, scheduler, rule) in [
        ("tcp://10.0.0.1:80", "wrr", "-A -t 10.0.0.1:80 -s wrr"),
        ("tcp://10.0.0.1:65535", "wlc", "-A -t 10.0.0.1:65535 -s wlc"),
        ("udp://10.0.0.1:53", "rr", "-A -u 10.0.0.1:53 -s rr"),
        ("tcp://[2001:db8::1]:80", "sh", "-A -t [2001:db8::1]:80 -s sh"),
        ("udp://[2001:db8::1]:1", "lc", "-A -u [2001:db8::1]:1 -s lc"),
        ("sctp://10.0.0.1:80", "mh", "-A --sctp-service 10.0.0.1:80 -s mh"),
        // 1.31 prints marks as signed numbers.
        ("fwmark:4294967295", "rr", "-A -f -1 -s rr"),
        ("fwmark:7/ipv6", "rr", "-A -f 7 -6 -s rr"),
    ] {
        let service = Service::new(id(text)).with_scheduler(scheduler);
        client.add_service(&service).unwrap();
        assert_eq!(namespace.witness(), [rule]);
        let listed = client.services().unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].service, service);
        assert_eq!(listed[0].stats, Stats::default());
        assert_eq!(client.service(&service.id).unwrap(), listed[0]);
        client.delete_service(&service.id).unwrap();
        assert!(namespace.witness().is_empty());
    }
}

#[test]
fn what_ipvsadm_adds_is_listed() {
    let namespace = Namespace::enter();
    namespace.debian("-A -t 10.0.0.1:80 -s sed").success();
    namespace.debian("-A -u [2001:db8::1]:53 -s nq -p 100 -M 64").success();
    let mut listed: Vec<Service> =
        Client::connect().unwrap().services().unwrap().into_iter().map(|entry| entry.service).collect();
    listed.sort_by_key(|service| service.id);
    let expected = [
        Service::new(id("tcp://10.0.0.1:80")).with_scheduler("sed"),
        Service::new(id("udp://[2001:db8::1]:53"))
            .with_scheduler("nq")
            .with_persistence(100)
            .with_netmask(Netmask::Prefix(64)),
    ];
    assert_eq!(listed, expected);
}

#[test]
fn an_edit_changes_the_scheduler_and_keeps_the_destinations() {
    let namespace = Namespace::enter();
    namespace.debian("-A -t 10.0.0.1:80 -s rr").success();
    namespace.debian("-a -t 10.0.0.1:80 -r 192.168.1.10:80 -m").success();
    let client = Client::connect().unwrap();
    client.edit_service(&Service::new(id("tcp://10.0.0.1:80")).with_scheduler("wrr")).unwrap();
    assert_eq!(namespace.witness(), ["-A -t 10.0.0.1:80 -s wrr", "-a -t 10.0.0.1:80 -r 192.168.1.10:80 -m -w 1"]);
}

#[test]
fn refusals_have_their_kind_and_number() {
    let namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    let web = Service::new(id("tcp://10.0.0.1:80"));

    let error = client.edit_service(&web).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::NoSuchService), "{error}");
    assert_eq!(error.raw_os_error(), Some(3));
    assert_eq!(error.to_string(), "cannot edit service tcp://10.0.0.1:80: there is no such service");
    for result in [client.delete_service(&web.id), client.service(&web.id).map(|_| ())] {
        assert!(matches!(result.unwrap_err().kind, ErrorKind::NoSuchService));
    }

    client.add_service(&web).unwrap();
    let error = client.add_service(&web).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::ServiceExists), "{error}");
    assert_eq!(error.raw_os_error(), Some(17));

    for result in [
        client.add_service(&Service::new(id("tcp://10.0.0.1:81")).with_scheduler("nosuch")),
        client.edit_service(&web.clone().with_scheduler("nosuch")),
    ] {
        let error = result.unwrap_err();
        assert!(matches!(&error.kind, ErrorKind::NoSuchScheduler(name) if name == "nosuch"), "{error}");
        assert_eq!(error.raw_os_error(), Some(2));
        assert!(error.to_string().contains("ip_vs_nosuch"), "{error}");
    }

    let error = client.add_service(&web.clone().with_scheduler("")).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::InvalidArgument(_)), "{error}");
    assert_eq!(namespace.witness(), ["-A -t 10.0.0.1:80 -s wlc"]);
}
