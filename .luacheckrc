-- luacheck's settings: what runs on every Lua that the module is tested on.
std = "max"
max_line_length = 120
-- It only tells what there is.
files["bindings-lua/ipvs.d.lua"] = { unused = false }
-- luaunit finds its tests as globals.
files["tests/lua"] = { allow_defined_top = true }
files["tests/proxies"] = { allow_defined_top = true }
-- What each proxy gives its Lua.
files["bindings-lua/examples/haproxy"] = { read_globals = { "core" } }
files["bindings-lua/examples/nginx"] = { std = "ngx_lua" }
files["bindings-lua/examples/apache"] = { read_globals = { "apache2" }, globals = { "handle" } }
