-- A module that is for another Lua is an error, not a crash.

local lu = require "luaunit"

local MODULES = assert(os.getenv("IPVS_LUA_MODULES"))
local VERSIONS = { "5.1", "5.2", "5.3", "5.4", "jit" }
local own = rawget(_G, "jit") and "jit" or _VERSION:match("%d%.%d")

TestLoading = {}

function TestLoading.test_the_module_of_another_lua()
    for _, version in ipairs(VERSIONS) do
        local command = [[LUA_CPATH='%s/%s/?.so' lua%s -e 'print(require("ipvs")._VERSION)' 2>&1; echo $?]]
        local pipe = assert(io.popen(command:format(MODULES, version, own)))
        local said = pipe:read("*a")
        pipe:close()
        if version == own then
            lu.assertEquals(said, require("ipvs")._VERSION .. "\n0\n")
        elseif not said:match("\n0\n$") then
            lu.assertStrContains(said, "error loading module 'ipvs' from file '" .. MODULES)
            lu.assertStrMatches(said, ".*\n1\n$")
        else
            -- LuaJIT and Lua 5.1 have the same interface.
            lu.assertItemsEquals({ version, own }, { "5.1", "jit" })
        end
    end
end

os.exit(lu.LuaUnit.run())
