//! One table, seen from all three faces: the same service added by each lists the same in the other two.

use std::path::PathBuf;

use crate::namespace::{Namespace, Ran, run, tree};

/// `ADDRESS SCHEDULER -> DESTINATION FORWARDING WEIGHT`, as each face prints it below.
const LISTED: &str = "tcp://10.0.0.1:80 wrr -> 192.168.1.10:8080 masquerade 5\n";

const PYTHON_ADD: &str = r#"
import ipvs
lb = ipvs.Client()
web = ipvs.Service("tcp://10.0.0.1:80", scheduler="wrr")
lb.add_service(web)
lb.add_destination(web, "192.168.1.10:8080", forwarding="masquerade", weight=5)
"#;
const PYTHON_LIST: &str = r#"
import ipvs
lb = ipvs.Client()
for service in lb.services():
    for d in lb.destinations(service):
        print(service, service.scheduler, "->", d.id, d.forwarding, d.weight)
"#;
const LUA_ADD: &str = r#"
local lb = assert(require("ipvs").connect())
assert(lb:add_service { id = "tcp://10.0.0.1:80", scheduler = "wrr" })
assert(lb:add_destination("tcp://10.0.0.1:80",
    { id = "192.168.1.10:8080", forwarding = "masquerade", weight = 5 }))
"#;
const LUA_LIST: &str = r#"
local lb = assert(require("ipvs").connect())
for service in assert(lb:services()) do
    for d in assert(lb:destinations(service)) do
        print(table.concat({ service.id, service.scheduler, "->", d.id, d.forwarding, d.weight }, " "))
    end
end
"#;

/// What runs a program in Python, and its arguments.
pub fn python_call(program: &str) -> (PathBuf, Vec<String>) {
    (tree(".venv/bin/python"), ["-c", program].map(str::to_owned).to_vec())
}

/// The same in Lua.
pub fn lua_call(program: &str) -> (PathBuf, Vec<String>) {
    let path = format!("package.cpath = '{}'", tree("target/lua-dev/5.4/ipvs.so").display());
    ("/usr/bin/lua5.4".into(), ["-e", &path, "-e", program].map(str::to_owned).to_vec())
}

fn python(program: &str) -> Ran {
    let (program, arguments) = python_call(program);
    run(program, arguments)
}

fn lua(program: &str) -> Ran {
    let (program, arguments) = lua_call(program);
    run(program, arguments)
}

#[test]
fn what_one_face_adds_the_others_list() {
    let add_with_ipvsadm = |namespace: &Namespace| {
        namespace.ours("-A -t 10.0.0.1:80 -s wrr").success();
        namespace.ours("-a -t 10.0.0.1:80 -r 192.168.1.10:8080 -m -w 5").success();
    };
    let add_with_python = |_: &Namespace| {
        python(PYTHON_ADD).success();
    };
    let add_with_lua = |_: &Namespace| {
        lua(LUA_ADD).success();
    };
    for add in [&add_with_ipvsadm as &dyn Fn(&Namespace), &add_with_python, &add_with_lua] {
        let namespace = Namespace::enter();
        add(&namespace);
        assert_eq!(python(PYTHON_LIST).success(), LISTED);
        assert_eq!(lua(LUA_LIST).success(), LISTED);
        assert_eq!(namespace.ours("-Ln").success(), namespace.debian("-Ln").success());
        assert_eq!(namespace.witness(), ["-A -t 10.0.0.1:80 -s wrr", "-a -t 10.0.0.1:80 -r 192.168.1.10:8080 -m -w 5"]);
    }
}

#[test]
fn all_faces_give_the_same_reason() {
    let namespace = Namespace::enter();
    let reason = "cannot delete service tcp://10.0.0.1:80: there is no such service";
    let ran = namespace.ours("-D -t 10.0.0.1:80");
    assert_eq!(ran.stderr, format!("ipvsadm: {reason}\n"));
    let ran = python("import ipvs; ipvs.Client().delete_service('tcp://10.0.0.1:80')");
    assert!(ran.stderr.contains(&format!("ipvs.NoSuchService: {reason}")), "{ran:?}");
    let ran = lua("assert(assert(require('ipvs').connect()):delete_service('tcp://10.0.0.1:80'))");
    assert!(ran.stderr.contains(reason), "{ran:?}");
}
