-- luacheck's settings: the Lua that the module is tested on.
std = "lua54"
max_line_length = 120
