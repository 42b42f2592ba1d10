-- What `ipvs.d.lua` tells editors is what the module has: every function and every field, and no other.

local ipvs = require "ipvs"
local lu = require "luaunit"

local file = assert(io.open "../../bindings-lua/ipvs.d.lua")
local TEXT = file:read "*a"
file:close()
local lb = ipvs.assert(ipvs.connect())

-- The functions that are defined on `name`.
local function defined(name)
    local functions = {}
    for method in TEXT:gmatch("\nfunction " .. name .. "[.:]([a-z_]+)%(") do
        functions[#functions + 1] = method
    end
    return functions
end

-- The fields of a class and of those that it comes from: whether each has to be there.
local function fields(class)
    local found = {}
    local parent, body = TEXT:match("\n%-%-%-@class ipvs%." .. class .. "%f[%W]([^\n]*)\n(.-)\n\n")
    parent = parent:match "ipvs%.(%a+)"
    if parent then
        for name, needed in pairs(fields(parent)) do found[name] = needed end
    end
    for name, optional in body:gmatch "%-%-%-@field ([a-z_]+)(%??)" do
        found[name] = optional == ""
    end
    return found
end

-- Checks that a table has the fields of its class, and says which of them it had.
local function check(class, object, seen)
    local known = fields(class)
    for name in pairs(object) do
        lu.assertNotNil(known[name], class .. " has a field " .. name)
        seen[class .. "." .. name] = true
    end
    for name, needed in pairs(known) do
        lu.assertIsTrue(not needed or object[name] ~= nil, class .. " lacks the field " .. name)
    end
end

TestDefinitions = {}

function TestDefinitions.test_functions()
    local functions = {}
    for name, value in pairs(ipvs) do
        if type(value) == "function" and name:sub(1, 1) ~= "_" then functions[#functions + 1] = name end
    end
    lu.assertItemsEquals(defined "ipvs", functions)
    local methods = {}
    for name in pairs(debug.getmetatable(lb).__index) do
        methods[#methods + 1] = name
    end
    lu.assertItemsEquals(defined "client", methods)
    ipvs.assert(lb:restore("-A -t 127.0.0.9:80\n-a -t 127.0.0.9:80 -r 127.0.0.1:80 -m\n", { clear = true }))
    for name, object in pairs {
        pool = ipvs.pool { services = { "fwmark:1" } },
        drain = ipvs.assert(lb:drain("tcp://127.0.0.9:80", "127.0.0.1:80")),
        lock = ipvs.assert(lb:lock()),
    } do
        methods = {}
        for method in pairs(debug.getmetatable(object).__index) do methods[#methods + 1] = method end
        lu.assertItemsEquals(defined(name), methods)
        if name == "lock" then object:close() end
    end
end

function TestDefinitions.test_fields()
    local seen = {}
    ipvs.assert(lb:restore([[
-A -t 127.0.0.2:80 -s sh -p 60 -b sh-port
-a -t 127.0.0.2:80 -r 192.168.1.1:80 -i --tun-type gue --tun-port 5555
-A -u 127.0.0.2:5060 -p 60 --pe sip
-a -u 127.0.0.2:5060 -r 127.0.0.1:5060 -m
-A -f 7
]], { clear = true }))
    -- In one datagram, which a shell's own printf would not do.
    local path = os.tmpname()
    local request = assert(io.open(path, "w"))
    request:write "OPTIONS sip:a SIP/2.0\r\nCall-ID: x@y\r\nContent-Length: 0\r\n\r\n"
    request:close()
    os.execute(("/bin/bash -c 'cat %s >/dev/udp/127.0.0.2/5060'"):format(path))
    os.remove(path)
    for _, service in ipairs(ipvs.assert(lb:snapshot())) do
        check("ServiceTable", service, seen)
        check("Stats", service.stats, seen)
        for _, real in ipairs(service.destinations) do
            check("Destination", real, seen)
            if real.tunnel then check("Tunnel", real.tunnel, seen) end
        end
    end
    for connection in ipvs.assert(lb:connections()) do
        check("Connection", connection, seen)
        check("Endpoint", connection.client, seen)
        if connection.persistence then check("PersistenceData", connection.persistence, seen) end
    end
    for _, service in ipairs(ipvs.assert(ipvs.overview())) do
        check("OverviewService", service, seen)
        for _, real in ipairs(service.destinations) do check("OverviewDestination", real, seen) end
    end
    ipvs.assert(lb:start_daemon { role = "master", interface = "lo" })
    check("SyncDaemon", ipvs.assert(lb:daemons())[1], seen)
    lb:stop_daemon "master"
    check("Timeouts", ipvs.assert(lb:timeouts()), seen)
    check("Info", ipvs.assert(lb:info()), seen)
    local _, rule = ipvs.parse_rules "-A -x"
    check("Error", rule, seen)
    local _, err = lb:restore "-A -f 7"
    check("Error", err, seen)
    check("Report", err.report, seen)
    check("ReportFailure", err.report.failed[1], seen)
    local _, refused = lb:apply("-A -f 9 -s nosuch\n", { rollback = true })
    check("Error", refused, seen)
    check("Applied", refused.applied, seen)
    check("AppliedFailure", refused.applied.failed[1], seen)
    local pool = ipvs.pool { services = { "fwmark:8" }, servers = { "192.168.1.1:0" } }
    local look = ipvs.assert(lb:watch())
    ipvs.assert(lb:adopt(pool))
    local changes = pool:checked("192.168.1.1:0", false)
    check("PoolChanges", changes, seen)
    check("Plan", { additions = changes.additions, removals = changes.removals }, seen)
    for _, event in ipairs(changes.events) do check("PoolEvent", event, seen) end
    check("PoolServer", pool:servers()[1], seen)
    check("ServiceTable", setmetatable({ stats = {} }, { __index = pool:table()[1] }), seen)
    ipvs.assert(lb:edit_service { id = "fwmark:8", scheduler = "rr" })
    for _, change in ipairs(ipvs.assert(look())) do check("Change", change, seen) end
    ipvs.assert(lb:edit_service "fwmark:8")
    for _, change in ipairs(ipvs.assert(look())) do
        check("Change", change, seen)
        check("FieldChange", change.fields[1], seen)
    end
    check("DrainProgress", ipvs.assert(lb:drain("fwmark:8", "192.168.1.1:0")):step(), seen)
    check("OtherWriter", { name = "keepalived", process = 1 }, seen)
    -- Each field of a class was met, but for those that take a fault to have.
    for class, body in TEXT:gmatch "\n%-%-%-@class ipvs%.(%a+)[^\n]*\n(.-)\n\n" do
        if not (class:find "Settings" or class:find "Options" or class:find "Config") then
            for name in body:gmatch "%-%-%-@field ([a-z_]+)" do
                local is_met = seen[class .. "." .. name] or seen[class .. "Table." .. name]
                local is_rare = name == "interrupted"
                lu.assertIsTrue(is_met or is_rare, class .. "." .. name .. " was not met")
            end
        end
    end
end

-- What may be given is known to the module, by its own list.
function TestDefinitions.test_settings()
    for class, call in pairs {
        ServiceSettings = function(table) lb:add_service(table) end,
        DestinationSettings = function(table) lb:add_destination("fwmark:1", table) end,
        SyncDaemon = function(table) lb:start_daemon(table) end,
        Timeouts = function(table) lb:set_timeouts(table) end,
        Options = function(table) ipvs.connect(table) end,
        ApplyOptions = function(table) lb:apply("-C", table) end,
        DrainOptions = function(table) lb:drain("fwmark:1", "1.1.1.1:1", table) end,
        PoolConfig = function(table) ipvs.pool(table) end,
        Tunnel = function(table) lb:add_destination("fwmark:1", { id = "1.1.1.1:1", tunnel = table }) end,
    } do
        local given = {
            ServiceSettings = { id = "fwmark:1" },
            DestinationSettings = { id = "1.1.1.1:1" },
            SyncDaemon = { role = "master", interface = "lo" },
            Tunnel = { type = "gre" },
            PoolConfig = { services = { "fwmark:1" } },
        }
        local table_of = given[class] or {}
        table_of.nosuch = true
        local _, text = pcall(call, table_of)
        local names = {}
        for name in text:match "there are ([^)]+)":gmatch "[a-z_]+" do
            names[#names + 1] = name
        end
        local known = {}
        for name in pairs(fields(class)) do known[#known + 1] = name end
        lu.assertItemsEquals(known, names, class)
    end
end

os.exit(lu.LuaUnit.run())
