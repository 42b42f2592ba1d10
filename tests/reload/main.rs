//! The module unloaded and loaded under a living client, in a boot of the guest's own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's way to fail")]

#[path = "../kernel/namespace.rs"]
#[expect(dead_code, reason = "the kernel's tests use the rest")]
mod namespace;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use ipvs_core::{
    Change, Client, Destination, DrainOptions, DrainState, ErrorKind, Forwarding, Options, Pool, PoolConfig, Service,
};

use namespace::{Ran, WITNESS, built, ran, run};

const HELPER: &str = "/proc/sys/kernel/modprobe";
const MODPROBE: &str = "/sbin/modprobe";
const AWAY: &str = "/sbin/modprobe.away";

fn modprobe(arguments: &[&str]) {
    let output = Command::new("modprobe").args(arguments).output().unwrap();
    assert!(output.status.success(), "modprobe {arguments:?}: {output:?}");
}

/// Unloading wants empty tables and the schedulers away.
fn unload(client: &Client) {
    client.flush().unwrap();
    modprobe(&["--remove", "ip_vs_rr", "ip_vs_wlc", "ip_vs"]);
}

fn reload(client: &Client) {
    unload(client);
    modprobe(&["-a", "ip_vs", "ip_vs_rr", "ip_vs_wlc"]);
}

fn service(port: u16, scheduler: &str) -> Service {
    Service::new(format!("tcp://10.0.0.1:{port}").parse().unwrap()).with_scheduler(scheduler)
}

/// A program in the place of modprobe, which is the guest's own, writes down what it is given. Neither the variables nor the
/// folder of whoever calls change which one it is, and an ordinary user gets the error that tells root what to do.
fn modprobe_is_run_by_its_path_and_without_an_environment(client: &Client) {
    // It goes by its own name.
    fs::create_dir("/run/real").unwrap();
    symlink(fs::canonicalize(MODPROBE).unwrap(), "/run/real/modprobe").unwrap();
    fs::rename(MODPROBE, AWAY).unwrap();
    // The shell itself has its script open as 10.
    let script = "#!/bin/sh\n\
         tr '\\0' ' ' </proc/$$/cmdline >/run/modprobe-arguments\n\
         cat /proc/$$/environ >/run/modprobe-environment\n\
         ls /proc/$$/fd | grep -vx 10 | tr '\\n' ' ' >/run/modprobe-files\n\
         exec /run/real/modprobe \"$@\"\n";
    fs::write(MODPROBE, script).unwrap();
    fs::set_permissions(MODPROBE, Permissions::from_mode(0o755)).unwrap();
    let traps = tempfile::tempdir().unwrap();
    for name in ["modprobe", "ip_vs"] {
        fs::write(traps.path().join(name), "#!/bin/sh\ntouch /run/trapped\n").unwrap();
        fs::set_permissions(traps.path().join(name), Permissions::from_mode(0o755)).unwrap();
    }
    let call = |mut command: Command| {
        unload(client);
        let variables = [("PATH", traps.path()), ("MODPROBE_OPTIONS", Path::new("--dry-run")), ("HOME", traps.path())];
        command.arg("-Ln").current_dir(&traps).envs(variables);
        ran(command)
    };
    call(Command::new(built("ipvsadm"))).success();
    let written = |what: &str| fs::read_to_string(format!("/run/modprobe-{what}")).unwrap();
    assert_eq!(written("arguments"), "/bin/sh /sbin/modprobe ip_vs ");
    assert_eq!(written("environment"), "");
    assert_eq!(written("files"), "0 1 2 ");
    let mut ordinary = Command::new("/usr/bin/setpriv");
    let capability = ["--inh-caps=+net_admin", "--ambient-caps=+net_admin"];
    ordinary.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).args(capability).arg(built("ipvsadm"));
    let refused = call(ordinary);
    assert_eq!(refused.status, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("'modprobe ip_vs' loads it"), "{refused:?}");
    assert!(!Path::new("/run/trapped").exists());
    fs::rename(AWAY, MODPROBE).unwrap();
    modprobe(&["ip_vs"]);
}

/// One test, since every step changes the kernel that all share.
#[test]
fn a_client_outlives_its_module() {
    assert!(std::env::var_os("IPVS_GUEST").is_some(), "this test needs the guest kernel: run 'make test-kernel'");
    modprobe(&["-a", "ip_vs_rr", "ip_vs_wlc"]);
    let client = Client::connect().unwrap();
    client.add_service(&service(80, "rr")).unwrap();

    // A write after a reload: the number of the family is another one.
    reload(&client);
    client.add_service(&service(81, "rr")).unwrap();
    let error = client.add_service(&service(81, "rr")).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::ServiceExists), "{error}");

    // A dump, a read and a batch after a reload.
    reload(&client);
    assert!(client.services().unwrap().is_empty());
    reload(&client);
    assert_eq!(client.info().unwrap().version.to_string(), "1.2.1");
    reload(&client);
    let commands: Vec<_> = (1..=1000).map(|port| ipvs_core::Command::AddService(service(port, "rr"))).collect();
    let report = client.batch(&commands).unwrap();
    assert!(report.interrupted.is_none());
    assert_eq!(client.services().unwrap().len(), 1000);

    // What looks after a table: a drain says that its destination is gone, a watch what went, and a pool makes it anew.
    reload(&client);
    let server = Destination::new("192.168.1.1:80".parse().unwrap()).with_forwarding(Forwarding::Masquerade);
    let config = PoolConfig::new([service(80, "rr")]).with_servers([server.clone()]);
    let mut pool = Pool::new(config).unwrap();
    client.adopt(&mut pool).unwrap();
    let id = service(80, "rr").id;
    let mut drain = client.drain(&id, &server.address, DrainOptions::default()).unwrap();
    let mut watch = client.watch().unwrap();
    reload(&client);
    assert_eq!(drain.step(&client).unwrap().state, DrainState::Gone);
    let names: Vec<_> = watch.look(&client).unwrap().iter().map(Change::name).collect();
    assert_eq!(names, ["service_removed"]);
    assert!(client.reconcile(&pool).unwrap().is_done());
    let names: Vec<_> = watch.look(&client).unwrap().iter().map(Change::name).collect();
    assert_eq!(names, ["service_added", "destination_added"]);
    assert_eq!(client.destinations(&id).unwrap()[0].destination, server);

    // Unloaded, the kernel loads it again by itself when it is asked for.
    unload(&client);
    modprobe(&["-a", "ip_vs_wlc"]);
    unload(&client);
    client.add_service(&service(80, "wlc")).unwrap();

    // Where the kernel may not, /sbin/modprobe is run; where that may not be either, the error says what to do.
    unload(&client);
    let helper = fs::read_to_string(HELPER).unwrap();
    fs::write(HELPER, "/bin/false").unwrap();
    let forbidden = Client::connect_with(&Options::default().with_load_module(false)).unwrap_err();
    assert!(matches!(forbidden.kind, ErrorKind::Unavailable), "{forbidden}");
    assert_eq!(forbidden.raw_os_error(), Some(2));
    assert!(forbidden.to_string().contains("modprobe ip_vs"), "{forbidden}");
    // Its files are gone with it.
    let missing = [
        client.connections().map(|_| ()),
        client.total_stats().map(|_| ()),
        client.settings().map(|_| ()),
        Client::overview().map(|_| ()),
    ];
    for missing in missing {
        let missing = missing.unwrap_err();
        assert!(matches!(missing.kind, ErrorKind::Unavailable), "{missing}");
    }
    // A program that cannot be started is as good as none.
    assert!(Command::new("mount").args(["--bind", "/dev/null", "/sbin/modprobe"]).status().unwrap().success());
    let refused = Client::connect().unwrap_err();
    assert!(matches!(refused.kind, ErrorKind::Unavailable), "{refused}");
    assert!(Command::new("umount").arg("/sbin/modprobe").status().unwrap().success());
    assert_eq!(client.services().unwrap(), []);
    modprobe_is_run_by_its_path_and_without_an_environment(&client);
    fs::write(HELPER, helper.trim()).unwrap();

    // Where there is no such module, ipvsadm says so as 1.31 does: with status 2, and with what is to be done.
    unload(&client);
    drop(client);
    assert!(Command::new("mount").args(["-t", "tmpfs", "none", "/lib/modules"]).status().unwrap().success());
    assert_eq!(run(WITNESS, ["-Ln"]).status, Some(2));
    let Ran { status, stderr, .. } = run(built("ipvsadm"), ["-Ln"]);
    assert_eq!(status, Some(2), "{stderr}");
    assert!(stderr.contains("modprobe ip_vs") && stderr.contains("linux-image"), "{stderr}");
}
