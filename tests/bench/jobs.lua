-- Jobs for the benchmark: a line with how many changes of a weight, answered with a line when they are done.

local ipvs = require "ipvs"

local lb = ipvs.assert(ipvs.connect())
local service = ipvs.assert(lb:services())().id
local real = ipvs.assert(lb:destinations(service))().id

for count in io.lines() do
    for weight = 1, tonumber(count) do
        ipvs.assert(lb:set_weight(service, real, weight))
    end
    print "done"
    io.stdout:flush()
end
