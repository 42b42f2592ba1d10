-- luacheck's settings: the Lua that the module is tested on.
std = "lua54"
max_line_length = 120
-- luaunit finds its tests as globals.
files["tests/lua"] = { allow_defined_top = true }
