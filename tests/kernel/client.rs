//! What concerns the table as a whole.

use std::thread;

use ipvs_core::{Client, ErrorKind, Options, Service};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use crate::namespace::Namespace;

#[test]
fn info_is_what_ipvsadm_prints() {
    let namespace = Namespace::enter();
    let info = Client::connect().unwrap().info().unwrap();
    let first = namespace.debian("-Ln").success().lines().next().unwrap().to_owned();
    assert_eq!(first, format!("IP Virtual Server version {} (size={})", info.version, info.connection_table_size));
}

#[test]
fn flush_empties_the_table() {
    let namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    client.add_service(&Service::new("tcp://10.0.0.1:80".parse().unwrap())).unwrap();
    client.add_service(&Service::new("udp://10.0.0.1:53".parse().unwrap())).unwrap();
    client.flush().unwrap();
    assert!(namespace.witness().is_empty());
    assert!(client.services().unwrap().is_empty());
    client.flush().unwrap();
}

#[test]
fn a_client_stays_in_the_namespace_where_it_connected() {
    for lazy in [false, true] {
        let first = Namespace::enter();
        let client = Client::connect_with(&Options::default().with_lazy(lazy)).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let second = Namespace::enter();
                client.add_service(&Service::new("tcp://10.0.0.1:80".parse().unwrap())).unwrap();
                assert!(second.witness().is_empty());
            });
        });
        assert_eq!(first.witness(), ["-A -t 10.0.0.1:80 -s wlc"]);
    }
}

#[test]
fn eight_threads_may_share_a_client() {
    let _namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    thread::scope(|scope| {
        for host in 1..=8 {
            let client = &client;
            scope.spawn(move || {
                // 10,000 operations in all.
                for port in 1..=417 {
                    let id = format!("tcp://10.0.0.{host}:{port}").parse().unwrap();
                    client.add_service(&Service::new(id)).unwrap();
                    assert_eq!(client.service(&id).unwrap().service.id, id);
                    client.delete_service(&id).unwrap();
                }
            });
        }
    });
    assert!(client.services().unwrap().is_empty());
}

#[test]
fn a_client_in_another_namespace_leaves_the_thread_where_it_is() {
    let there = Namespace::enter();
    let here = Namespace::enter();
    let by_name = Client::connect_with(&Options::default().with_netns(there.name())).unwrap();
    let path = format!("/run/netns/{}", there.name());
    let by_path = Client::connect_with(&Options::default().with_netns(path)).unwrap();
    by_name.add_service(&Service::new("tcp://10.0.0.1:80".parse().unwrap())).unwrap();
    assert_eq!(by_path.services().unwrap().len(), 1);
    assert!(Client::connect().unwrap().services().unwrap().is_empty());
    assert!(here.witness().is_empty());
    drop(here);
    assert_eq!(there.witness(), ["-A -t 10.0.0.1:80 -s wlc"]);

    let error = Client::connect_with(&Options::default().with_netns("nosuch")).unwrap_err();
    assert!(error.to_string().contains("the network namespace 'nosuch'"), "{error}");
    assert_eq!(error.raw_os_error(), Some(2));
}

#[test]
fn a_table_larger_than_a_datagram_is_listed_whole() {
    let _namespace = Namespace::enter();
    let client = Client::connect().unwrap();
    for port in 1..=500 {
        let id = format!("tcp://10.0.0.1:{port}").parse().unwrap();
        client.add_service(&Service::new(id).with_scheduler("rr")).unwrap();
    }
    let mut listed: Vec<_> = client.services().unwrap().into_iter().map(|entry| entry.service.id).collect();
    listed.sort();
    let expected: Vec<_> = (1..=500).map(|port| format!("tcp://10.0.0.1:{port}").parse().unwrap()).collect();
    assert_eq!(listed, expected);
}

#[test]
fn without_privilege_the_error_names_the_capability() {
    let _namespace = Namespace::enter();
    let client = thread::spawn(|| {
        give_up_capabilities();
        Client::connect().unwrap().info()
    });
    let error = client.join().unwrap().unwrap_err();
    assert!(matches!(error.kind, ErrorKind::PermissionDenied(_)), "{error}");
    assert_eq!(error.raw_os_error(), Some(1));
    assert!(error.to_string().contains("CAP_NET_ADMIN"), "{error}");
    assert!(error.to_string().contains("for the network namespace that it runs in"), "{error}");
}

/// Of the calling thread.
fn give_up_capabilities() {
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none }).unwrap();
}

#[test]
fn without_privilege_another_namespace_cannot_be_entered() {
    let there = Namespace::enter();
    let _here = Namespace::enter();
    let options = Options::default().with_netns(there.name());
    let (client, lazy) = (Client::connect_with(&options), Client::connect_with(&options.with_lazy(true)));
    let (client, lazy) = (client.unwrap(), lazy.unwrap());
    let errors = thread::spawn(move || {
        give_up_capabilities();
        [
            client.connections().map(drop),
            client.total_stats().map(drop),
            client.settings().map(drop),
            client.lock().map(drop),
            client.other_writers().map(drop),
            lazy.info().map(drop),
        ]
    });
    for error in errors.join().unwrap() {
        let error = error.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Namespace { .. }), "{error}");
        assert_eq!(error.raw_os_error(), Some(1));
    }
}
