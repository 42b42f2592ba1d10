//! Synchronisation daemons in the kernel.

use ipvs_core::{Client, Destination, ErrorKind, Forwarding, Role, Service, SyncDaemon};

use crate::namespace::{Namespace, run};

/// A namespace with an interface for a daemon to be on, and a client in it.
fn director() -> (Namespace, Client) {
    let namespace = Namespace::enter();
    namespace.add_interface("sync0", "10.9.9.9/24");
    run("ip", ["address", "add", "2001:db8:9::9/64", "dev", "sync0", "nodad"]).success();
    (namespace, Client::connect().unwrap())
}

fn daemon(role: Role) -> SyncDaemon {
    SyncDaemon::new(role, "sync0")
}

#[test]
fn what_is_started_is_what_ipvsadm_and_we_list() {
    let (namespace, client) = director();
    let mut master = daemon(Role::Master);
    master.sync_id = 255;
    (master.max_length, master.port, master.ttl) = (1400, 1, 255);
    master.group = "239.0.0.5".parse().ok();
    let mut backup = daemon(Role::Backup);
    (backup.max_length, backup.port, backup.ttl) = (65487, 65535, 1);
    backup.group = "ff02::5".parse().ok();
    client.start_daemon(&master).unwrap();
    assert_eq!(client.daemons().unwrap(), [master.clone()]);
    client.start_daemon(&backup).unwrap();
    assert_eq!(client.daemons().unwrap(), [master, backup]);
    assert_eq!(
        namespace.debian("-L --daemon").success(),
        "master sync daemon (mcast=sync0, syncid=255, maxlen=1400, group=239.0.0.5, port=1, ttl=255)\n\
         backup sync daemon (mcast=sync0, syncid=0, maxlen=65487, group=ff02::5, port=65535, ttl=1)\n"
    );
    client.stop_daemon(Role::Master).unwrap();
    client.stop_daemon(Role::Backup).unwrap();
    assert!(client.daemons().unwrap().is_empty());
}

#[test]
fn the_kernel_chooses_what_is_left_out() {
    let (_namespace, client) = director();
    client.start_daemon(&daemon(Role::Master)).unwrap();
    let listed = client.daemons().unwrap();
    assert_eq!(listed[0].group, Some(SyncDaemon::DEFAULT_GROUP));
    assert_eq!((listed[0].sync_id, listed[0].port, listed[0].ttl), (0, 8848, 1));
    assert_eq!(listed[0].max_length, 1500 - 20 - 8);
}

#[test]
fn the_kernel_makes_room_for_a_message() {
    let (_namespace, client) = director();
    for (role, group, asked, given) in [
        (Role::Backup, None, 1, 1024),
        (Role::Backup, None, 65507, 65507),
        (Role::Backup, Some("ff02::5"), 65507, 65487),
        (Role::Master, Some("ff02::5"), 1400, 1400),
        (Role::Master, Some("ff02::5"), 65507, 65487),
        (Role::Master, None, 1, 1),
    ] {
        let mut daemon = daemon(role);
        (daemon.sync_id, daemon.max_length) = (1, asked);
        daemon.group = group.map(|group| group.parse().unwrap());
        client.start_daemon(&daemon).unwrap();
        let listed = client.daemons().unwrap().remove(0);
        assert_eq!((listed.sync_id, listed.max_length), (1, given), "{role} {group:?} {asked}");
        assert!(!client.set_sync_role(Some(&daemon)).unwrap(), "{role} {group:?} {asked}");
        client.stop_daemon(role).unwrap();
    }
}

#[test]
fn a_table_of_mixed_families_has_no_daemon() {
    let (_namespace, client) = director();
    let web = Service::new("tcp://10.0.0.1:80".parse().unwrap());
    client.add_service(&web).unwrap();
    let real = Destination::new("[2001:db8::a]:80".parse().unwrap()).with_forwarding(Forwarding::TUNNEL);
    client.add_destination(&web.id, &real).unwrap();
    let error = client.start_daemon(&daemon(Role::Master)).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::DaemonRefused), "{error}");
    assert_eq!(error.raw_os_error(), Some(22));
}

/// The kernel usually never acknowledges the stopping of a daemon that was just started.
#[test]
fn a_daemon_is_stopped_right_after_its_start() {
    let (_namespace, client) = director();
    for _ in 0..10 {
        for role in [Role::Master, Role::Backup] {
            client.start_daemon(&daemon(role)).unwrap();
            client.stop_daemon(role).unwrap();
        }
    }
    assert!(client.daemons().unwrap().is_empty());
}

#[test]
fn refusals_have_their_kind_and_number() {
    let (_namespace, client) = director();
    let error = client.stop_daemon(Role::Backup).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::NoSuchDaemon), "{error}");
    assert_eq!(error.raw_os_error(), Some(3));
    assert_eq!(error.to_string(), "cannot stop the backup sync daemon: none with this role runs");
    client.start_daemon(&daemon(Role::Master)).unwrap();
    let error = client.start_daemon(&daemon(Role::Master)).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::DaemonExists), "{error}");
    let error = client.start_daemon(&SyncDaemon::new(Role::Backup, "nosuch0")).unwrap_err();
    assert!(matches!(&error.kind, ErrorKind::NoSuchInterface(name) if name == "nosuch0"), "{error}");
    assert_eq!(error.raw_os_error(), Some(19));
    let error = client.start_daemon(&SyncDaemon::new(Role::Backup, "")).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::InvalidArgument(_)), "{error}");
}

/// As a VRRP script says it again and again.
#[test]
fn a_director_takes_its_role_and_keeps_it() {
    let (namespace, client) = director();
    let roles = || client.daemons().unwrap().iter().map(|daemon| daemon.role).collect::<Vec<_>>();
    assert!(client.set_sync_role(Some(&daemon(Role::Backup))).unwrap());
    assert!(!client.set_sync_role(Some(&daemon(Role::Backup))).unwrap());
    assert!(client.set_sync_role(Some(&daemon(Role::Master))).unwrap());
    assert!(!client.set_sync_role(Some(&daemon(Role::Master))).unwrap());
    assert_eq!(roles(), [Role::Master]);
    assert!(namespace.debian("-L --daemon").success().starts_with("master sync daemon"));
    // Other settings are another daemon.
    let mut other = daemon(Role::Master);
    other.sync_id = 9;
    assert!(client.set_sync_role(Some(&other)).unwrap());
    assert_eq!(client.daemons().unwrap()[0].sync_id, 9);
    // Both may run; one role is one.
    client.start_daemon(&daemon(Role::Backup)).unwrap();
    assert!(client.set_sync_role(Some(&other)).unwrap());
    assert_eq!(roles(), [Role::Master]);
    // What runs goes on when the other cannot be started.
    let error = client.set_sync_role(Some(&SyncDaemon::new(Role::Backup, "nosuch0"))).unwrap_err();
    assert!(matches!(&error.kind, ErrorKind::NoSuchInterface(name) if name == "nosuch0"), "{error}");
    assert_eq!((error.raw_os_error(), roles()), (Some(19), vec![Role::Master]));
    assert!(client.set_sync_role(None).unwrap());
    assert!(!client.set_sync_role(None).unwrap());
    assert!(roles().is_empty());
}
