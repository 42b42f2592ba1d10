-- luacheck's settings: what runs on every Lua that the module is tested on.
std = "max"
max_line_length = 120
-- luaunit finds its tests as globals.
files["tests/lua"] = { allow_defined_top = true }
