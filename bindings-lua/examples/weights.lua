-- Lists the servers of all services with their weights, or sets the weight of one. For every Lua from 5.1 on.
--
-- usage: lua weights.lua
--        lua weights.lua tcp://10.0.0.1:80 192.168.1.10:8080 0

local ipvs = require "ipvs"

local function main(service, server, weight)
    local lb = ipvs.assert(ipvs.connect())
    if service then
        local before = ipvs.assert(lb:set_weight(service, server, tonumber(weight)))
        print(("%s of %s: %d, was %d"):format(server, service, weight, before))
        return
    end
    for each in ipvs.assert(lb:services()) do
        for destination in ipvs.assert(lb:destinations(each)) do
            print(("%-28s %-28s %d"):format(each.id, destination.id, destination.weight))
        end
    end
end

-- Without the traceback that Lua would show.
local ok, err = pcall(main, ...)
if not ok then
    io.stderr:write("weights.lua: ", tostring(err), "\n")
    os.exit(1)
end
