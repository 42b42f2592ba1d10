rockspec_format = "3.0"
package = "ipvs"
version = "0.1.0-1"
source = {
    -- The checkout that this file is in: `luarocks make` builds there.
    url = "file://.",
}
description = {
    summary = "Steer IPVS, the load balancer in the Linux kernel",
    detailed = [[
Adds, edits and lists virtual services and real servers over generic netlink, from a script or from a hook inside HAProxy,
nginx or Apache. Building it takes a Rust toolchain (cargo) and make.]],
    license = "MIT OR Apache-2.0",
    labels = { "ipvs", "lvs", "load-balancer", "linux" },
}
supported_platforms = { "linux" }
dependencies = { "lua >= 5.1, < 5.5" }
build = {
    type = "make",
    build_target = "build",
    variables = { LUA = "$(LUA)" },
    install_variables = { LUA = "$(LUA)", LIBDIR = "$(LIBDIR)" },
}
