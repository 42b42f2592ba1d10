//! Every kind of command, and every method of the modules, each where it has something to do.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use ipvs_core::rules::options::{COMMANDS, Name, OptionSpec};
use tempfile::TempDir;

use crate::namespace::{Namespace, Ran, file_of, ran};

const RULES: &str = "-A -u 10.0.0.2:53 -s rr\n-a -u 10.0.0.2:53 -r 127.0.0.1:53 -m -w 1\n-Ln\n";
const WANTED: &str = "-A -t 10.0.0.1:80 -s wrr\n-a -t 10.0.0.1:80 -r 127.0.0.1:8080 -m -w 2\n";

/// Every kind of command, each where it has something to do: program, arguments and standard input. `{}` is a folder that
/// may be written to.
pub const CALLS: &[(&str, &str, &str)] = &[
    ("ipvsadm", "-A -t 10.0.0.1:80 -s mh", ""),
    ("ipvsadm", "-A -f 7 -6 -s rr -p 60 -M 64", ""),
    ("ipvsadm", "-a -t 10.0.0.1:80 -r 127.0.0.1:8080 -m -w 5", ""),
    ("ipvsadm", "-a -t 10.0.0.1:80 -r 127.0.0.1:8081 -i --tun-type gue --tun-port 6080", ""),
    ("ipvsadm", "-E -t 10.0.0.1:80 -s wrr", ""),
    ("ipvsadm", "-e -t 10.0.0.1:80 -r 127.0.0.1:8080 -m -w 3", ""),
    ("ipvsadm", "", ""),
    ("ipvsadm", "-Ln --stats --exact", ""),
    ("ipvsadm", "-L --json", ""),
    ("ipvsadm", "-Lnc", ""),
    ("ipvsadm", "-Lnc --persistent-conn", ""),
    ("ipvsadm", "--set 800 100 200", ""),
    ("ipvsadm", "-L --timeout", ""),
    ("ipvsadm", "--start-daemon master --mcast-interface sync0", ""),
    ("ipvsadm", "--sync-role backup --mcast-interface sync0", ""),
    ("ipvsadm", "-L --daemon", ""),
    ("ipvsadm", "--stop-daemon backup", ""),
    ("ipvsadm", "-Z", ""),
    ("ipvsadm", "-S", ""),
    ("ipvsadm", "-R", RULES),
    ("ipvsadm", "-R --stream --verbose", "-Z\n-L\n"),
    ("ipvsadm", "--apply --dry-run", WANTED),
    ("ipvsadm", "--apply --rollback --verbose", WANTED),
    ("ipvsadm", "-A -t 10.0.0.1:80", ""),
    ("ipvsadm", "-A -t 10.0.0.9:80 -s nosuch", ""),
    ("ipvsadm", "--drain -t 10.0.0.1:80 -r 127.0.0.1:8080 --inactive --verbose", ""),
    ("ipvsadm-save", "-n --output {}/rules", ""),
    ("ipvsadm", "-D -t 10.0.0.1:80", ""),
    ("ipvsadm-restore", "", RULES),
    ("ipvsadm", "-d -u 10.0.0.2:53 -r 127.0.0.1:53", ""),
    ("ipvsadm", "-C", ""),
    ("ipvsadm", "-h", ""),
    ("ipvsadm", "-v", ""),
    ("ipvsadm", "--generate man", ""),
];

/// A namespace in which each of the calls has something to do, with a folder that everybody may write to.
pub fn director() -> (Namespace, TempDir) {
    let namespace = Namespace::enter();
    namespace.add_interface("sync0", "10.9.9.9/24");
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    (namespace, folder)
}

/// What all the calls say, one after the other, each with the table behind it.
pub fn called(start: impl Fn(&str) -> Command) -> Vec<(&'static str, Ran, Vec<String>)> {
    let (namespace, folder) = director();
    let calls = CALLS.iter().map(|(program, arguments, input)| {
        let mut command = start(program);
        command.args(arguments.replace("{}", folder.path().to_str().unwrap()).split_whitespace()).stdin(file_of(input));
        (*arguments, ran(command), namespace.witness())
    });
    calls.collect()
}

/// What every method of the module does and says, without what time changes.
pub const PYTHON_CALLS: &str = r#"
import ipvs
lb = ipvs.Client()
web, real, other = ipvs.Service("tcp://10.0.0.1:80", scheduler="wrr"), "127.0.0.1:8080", "127.0.0.1:8081"
print(lb.info(), lb.add_service(web), lb.edit_service(web.replace(scheduler="rr")), lb.ensure_service(web))
print(lb.add_destination(web, real, forwarding="masquerade"), lb.edit_destination(web, real, forwarding="masquerade", weight=6))
print(lb.ensure_destination(web, other, forwarding="tunnel"), lb.set_weight(web, other, 0))
print(lb.services(), lb.service(web), lb.destinations(web), lb.snapshot(), list(lb.connections()), lb.total_stats())
print(lb.set_timeouts(tcp=800, udp=100), lb.timeouts(), lb.start_daemon(ipvs.SyncDaemon("master", interface="sync0")), lb.daemons())
print(lb.set_sync_role(ipvs.SyncDaemon("backup", interface="sync0")), lb.stop_daemon("backup"), lb.zero(), lb.zero(web))
print(lb.set_setting("conntrack", True), lb.setting("conntrack"), lb.settings(), ipvs.overview())
print(lb.save(), lb.restore(lb.save(), clear=True).is_done, lb.run(ipvs.Command.zero()), lb.batch([ipvs.Command.zero()]).is_done)
table = lb.current_table()
print(lb.plan([]), lb.apply([]).is_done, lb.apply(table, rollback=True).is_done, lb.watch().look(), lb.other_writers())
pool = ipvs.Pool(services=[web], servers=[real])
print(lb.adopt(pool).is_done, lb.reconcile(pool).is_done, lb.follow(pool, pool.checked(real, False)).is_done)
with lb.lock():
    drain = lb.drain(web, real) if lb.apply(table).is_done else None
    print(drain.cancel(), [progress.state for progress in lb.drain(web, real).wait()])
print(lb.add_destination(web, real), lb.delete_destination(web, real))
print(lb.remove_destination(web, other), lb.delete_service(web), lb.remove_service(web), lb.flush())
"#;
pub const LUA_CALLS: &str = r#"
local ipvs = require "ipvs"
local lb = assert(ipvs.connect())
local web, real, other = "tcp://10.0.0.1:80", "127.0.0.1:8080", "127.0.0.1:8081"
local function show(value)
    if type(value) ~= "table" then return tostring(value) end
    local parts = {}
    for key, part in pairs(value) do parts[#parts + 1] = tostring(key) .. "=" .. show(part) end
    table.sort(parts)
    return "{" .. table.concat(parts, ",") .. "}"
end
local function try(name, ...)
    local result, err = lb[name](lb, ...)
    if result == nil then error(name .. ": " .. err.message) end
    if type(result) == "function" then
        local all = {}
        for item in result do all[#all + 1] = item end
        result = all
    end
    print(name, show(result))
    return result
end
try "info"
try("add_service", { id = web, scheduler = "wrr" })
try("edit_service", { id = web, scheduler = "rr" })
try("ensure_service", { id = web, scheduler = "wrr" })
try("add_destination", web, { id = real, forwarding = "masquerade" })
try("edit_destination", web, { id = real, forwarding = "masquerade", weight = 6 })
try("ensure_destination", web, { id = other, forwarding = "tunnel" })
try("set_weight", web, other, 0)
for _, name in ipairs { "services", "connections", "snapshot", "total_stats", "settings", "save", "other_writers" } do try(name) end
try("service", web)
try("destinations", web)
try("set_timeouts", { tcp = 800, udp = 100 })
try "timeouts"
try("start_daemon", { role = "master", interface = "sync0" })
try "daemons"
try("set_sync_role", { role = "backup", interface = "sync0" })
try("stop_daemon", "backup")
try("set_setting", "conntrack", true)
try("setting", "conntrack")
try("zero", web)
local rules = lb:save()
try("restore", rules, { clear = true })
try("batch", { { "zero" } })
try("apply", "-C")
try("apply", rules, { rollback = true })
print(show(ipvs.overview()))
try "current_table"
print(#try("plan", "-C").additions)
local pool = ipvs.assert(ipvs.pool { services = { { id = web, scheduler = "wrr" } }, servers = { { id = real } } })
try("adopt", pool)
try("follow", pool, pool:checked(real, false))
try("reconcile", pool)
print(#ipvs.assert(ipvs.assert(lb:watch())()))
try("apply", rules)
ipvs.assert(ipvs.assert(lb:lock()):close())
print(ipvs.assert(lb:drain(web, real)):cancel())
local drain = ipvs.assert(lb:drain(web, real))
print(ipvs.assert(drain:step()).state)
try("add_destination", web, { id = real })
try("delete_destination", web, real)
try("remove_destination", web, other)
try("delete_service", web)
try("remove_service", web)
try "flush"
"#;

#[test]
fn every_command_is_called_but_for_the_one_that_does_not_end() {
    let is_called = |name: &Name| {
        let OptionSpec { short, long, .. } = name.spec();
        CALLS.iter().any(|(_, arguments, _)| {
            let first = arguments.split(' ').next().unwrap_or_default();
            first.strip_prefix("--") == Some(long) || short.iter().any(|short| first.starts_with(&format!("-{short}")))
        })
    };
    let missing: Vec<_> = COMMANDS.iter().map(|spec| spec.command).filter(|name| !is_called(name)).collect();
    assert_eq!(missing, [Name::Watch]);
}

/// Those of a client, as the definitions for editors have them.
#[test]
fn every_method_is_called() {
    let python = include_str!("../../../bindings-py/python/ipvs/_ipvs.pyi");
    let python = python.split("\nclass Client").nth(1).unwrap().split("\nclass ").next().unwrap();
    let lua = include_str!("../../../bindings-lua/ipvs.d.lua");
    let names = |text: &'static str, before: &'static str| {
        let names = text.lines().filter_map(move |line| line.strip_prefix(before)?.split('(').next());
        names.filter(|name| !name.starts_with('_') && *name != "close").collect::<Vec<_>>()
    };
    let python: Vec<_> = names(python, "    def ").iter().map(|name| format!("lb.{name}(")).collect();
    let missing: Vec<_> = python.iter().filter(|call| !PYTHON_CALLS.contains(&**call)).collect();
    assert!(python.len() > 30 && missing.is_empty(), "{missing:?}");
    let lua = names(lua, "function client:");
    let is_called = |name: &&&str| {
        [format!("lb:{name}("), format!("try \"{name}\""), format!("try(\"{name}\""), format!("\"{name}\", ")]
            .iter()
            .any(|call| LUA_CALLS.contains(call))
            || LUA_CALLS.contains(&format!("\"{name}\" }} do"))
    };
    let missing: Vec<_> = lua.iter().filter(|name| !is_called(name)).collect();
    assert!(lua.len() > 30 && missing.is_empty(), "{missing:?}");
}
