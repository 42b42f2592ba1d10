-- What fails is a value, what is wrong is raised, and each says which.

local ipvs = require "ipvs"
local lu = require "luaunit"
local witness = require "witness"

local WEB = "tcp://10.0.0.1:80"
local lb = ipvs.assert(ipvs.connect())

-- The error that is raised where this is called.
local function raised(call, ...)
    local arguments = { ... }
    local count = select("#", ...)
    local unpack = table.unpack or unpack
    local ok, err = pcall(function() call(unpack(arguments, 1, count)) end)
    lu.assertIsFalse(ok)
    lu.assertIsString(err)
    lu.assertStrMatches(err, "^test_errors%.lua:%d+: .*")
    return (err:gsub("^test_errors%.lua:%d+: ", ""))
end

TestErrors = {}

function TestErrors.setUp()
    ipvs.assert(lb:flush())
end

function TestErrors.test_expected_failures_are_values()
    local done, err = lb:delete_service(WEB)
    lu.assertNil(done)
    lu.assertEquals(err.kind, "no_such_service")
    lu.assertEquals(err.errno, 3)
    lu.assertEquals(err.operation, "delete_service")
    lu.assertEquals(err.object, WEB)
    lu.assertEquals(err.message, "cannot delete service tcp://10.0.0.1:80: there is no such service")
    lu.assertEquals(tostring(err), err.message)
    lu.assertEquals("lvs: " .. err .. "!", "lvs: " .. err.message .. "!")
    lu.assertEquals(select("#", lb:add_service(WEB)), 1)
    lu.assertEquals(select(2, lb:add_service(WEB)).kind, "service_exists")
    lu.assertEquals(select(2, lb:destinations "fwmark:9").kind, "no_such_service")
    lu.assertEquals(select(2, lb:set_weight(WEB, "192.168.1.1:80", 1)).kind, "no_such_destination")
    local strange = { id = "tcp://10.0.0.9:80", scheduler = "nosuch" }
    lu.assertEquals(select(2, lb:add_service(strange)).kind, "no_such_scheduler")
    lu.assertEquals(select(2, lb:start_daemon { role = "master", interface = "nosuch" }).kind, "no_such_interface")
end

function TestErrors.test_assert_says_the_message()
    local message = "cannot delete service tcp://10.0.0.1:80: there is no such service"
    lu.assertEquals(raised(function() ipvs.assert(lb:delete_service(WEB)) end), message)
    lu.assertEquals({ ipvs.assert(1, 2, 3) }, { 1, 2, 3 })
    lu.assertEquals(raised(function() ipvs.assert(nil) end), "assertion failed!")
    lu.assertEquals(raised(function() ipvs.assert(false, "why") end), "why")
    -- The language's own takes any message from Lua 5.3 on, and in LuaJIT.
    if _VERSION > "Lua 5.2" or rawget(_G, "jit") then
        local ok, err = pcall(function() assert(lb:delete_service(WEB)) end)
        lu.assertIsFalse(ok)
        lu.assertEquals({ err.kind, tostring(err) }, { "no_such_service", message })
    end
end

function TestErrors.test_rules_that_are_none()
    local result, err = lb:restore("-A -t 10.0.0.1:80\n-A -x 10.0.0.1:80\n")
    lu.assertNil(result)
    lu.assertEquals({ err.kind, err.line, err.column, err.operation }, { "invalid_rule", 2, 4, "restore" })
    lu.assertStrContains(tostring(err), "2:4: ")
    lu.assertEquals(witness.rules(), {})
    lu.assertEquals(select(2, ipvs.parse_rules("\n-L")).line, 2)
    lu.assertEquals(ipvs.parse_rules "", {})
end

function TestErrors.test_wrong_arguments_are_raised()
    local real = "192.168.1.10:80"
    for _, case in ipairs {
        { "bad argument #1 to 'delete_service' (service: '10.0.0.1:80' is not an id; write tcp://10.0.0.1:80, "
            .. "udp://[2001:db8::1]:53, fwmark:7 or fwmark:7/ipv6)", lb.delete_service, lb, "10.0.0.1:80" },
        { "bad argument #1 to 'delete_service' (service: a string or a table is needed, not boolean)",
            lb.delete_service, lb, true },
        { "bad argument #1 to 'delete_service' (service: a string or a table is needed, not nil)",
            lb.delete_service, lb },
        { "bad argument #1 to 'add_service' (service: the field 'id' is missing)", lb.add_service, lb, {} },
        { "bad argument #1 to 'add_service' (scheduler: a string is needed, not boolean)",
            lb.add_service, lb, { id = WEB, scheduler = true } },
        { "bad argument #1 to 'add_service' (scheduler_flags: a list of strings is needed, not string)",
            lb.add_service, lb, { id = WEB, scheduler_flags = "sh-port" } },
        { "bad argument #1 to 'add_service' (persistence_timeout: -1 is not within 0 to 4294967295)",
            lb.add_service, lb, { id = WEB, persistence_timeout = -1 } },
        { "bad argument #1 to 'add_service' (persistence_timeout: 0.5 is no whole number of 53 bits)",
            lb.add_service, lb, { id = WEB, persistence_timeout = 0.5 } },
        { "bad argument #1 to 'add_service' (one_packet: a boolean is needed, not string)",
            lb.add_service, lb, { id = WEB, one_packet = "yes" } },
        { "bad argument #1 to 'add_service' (service: give an id, or protocol, address and port, or fwmark and family)",
            lb.add_service, lb, { protocol = "tcp", fwmark = 7 } },
        { "bad argument #1 to 'add_service' (service: the address has no port beside it)",
            lb.add_service, lb, { protocol = "tcp", address = "10.0.0.1" } },
        { "bad argument #1 to 'add_service' (service: the other fields do not say the same as the id "
            .. "tcp://10.0.0.1:80; leave them out)",
            lb.add_service, lb, { id = WEB, protocol = "udp", address = "10.0.0.1", port = 80 } },
        { "bad argument #1 to 'add_service' (service: the other fields do not say the same as the id "
            .. "tcp://10.0.0.1:80; leave them out)", lb.add_service, lb, { id = WEB, family = "ipv6" } },
        { "bad argument #2 to 'add_destination' (destination: there is no field 'wieght'; there are id, address, port, "
            .. "forwarding, tunnel, weight, upper_threshold, lower_threshold)",
            lb.add_destination, lb, WEB, { id = real, wieght = 5 } },
        { "bad argument #2 to 'add_destination' (destination: there is no field '1'; there are id, address, port, "
            .. "forwarding, tunnel, weight, upper_threshold, lower_threshold)",
            lb.add_destination, lb, WEB, { id = real, 5 } },
        { "bad argument #2 to 'add_destination' (weight: a number is needed, not string)",
            lb.add_destination, lb, WEB, { id = real, weight = "5" } },
        { "bad argument #2 to 'add_destination' (weight: 2147483648 is not within 0 to 2147483647)",
            lb.add_destination, lb, WEB, { id = real, weight = 2147483648 } },
        { "bad argument #2 to 'add_destination' (forwarding: 'nat' is none of masquerade, tunnel, direct-route and "
            .. "local-node)", lb.add_destination, lb, WEB, { id = real, forwarding = "nat" } },
        { "bad argument #2 to 'add_destination' (tunnel: masquerade has none; leave it out, or choose the "
            .. "forwarding 'tunnel')",
            lb.add_destination, lb, WEB, { id = real, forwarding = "masquerade", tunnel = "gre" } },
        { "bad argument #2 to 'add_destination' (tunnel: a GUE tunnel needs a port, 1 to 65535)",
            lb.add_destination, lb, WEB, { id = real, tunnel = "gue" } },
        { "bad argument #2 to 'add_destination' (tunnel: the field 'type' is missing)",
            lb.add_destination, lb, WEB, { id = real, tunnel = {} } },
        { "bad argument #2 to 'add_destination' (destination: address and port do not say the same as the id "
            .. "192.168.1.10:80; leave them out)",
            lb.add_destination, lb, WEB, { id = real, address = "192.168.1.10", port = 81 } },
        { "bad argument to 'add_destination' (forwarding: [2001:db8::1]:80 and tcp://10.0.0.1:80 are of different "
            .. "address families, which only a tunnel joins)", lb.add_destination, lb, WEB, "[2001:db8::1]:80" },
        { "bad argument #3 to 'set_weight' (weight: 2147483648 is not within 0 to 2147483647)",
            lb.set_weight, lb, WEB, real, 2147483648 },
        { "bad argument #3 to 'set_weight' (weight: a number is needed, not nil)", lb.set_weight, lb, WEB, real },
        { "bad argument #1 to 'apply' (table: rules or a list of services is needed, and there is the key 'id')",
            lb.apply, lb, { id = WEB } },
        { "bad argument #1 to 'apply' (table: rules or a list of services is needed, and there is number 3, and number "
            .. "2 is not)", lb.apply, lb, { [1] = { id = WEB, destinations = {} }, [3] = { id = "fwmark:7" } } },
        { "bad argument #1 to 'apply' (table: rules or a list of services is needed, and there is a key that is a "
            .. "boolean)", lb.apply, lb, { [true] = { id = WEB } } },
        { "bad argument #1 to 'apply' (number 1: destinations: a list of destinations is needed, not nil)",
            lb.apply, lb, { { id = WEB } } },
        { "bad argument #1 to 'apply' (number 2: services: tcp://10.0.0.1:80 is there twice)",
            lb.apply, lb, { { id = WEB, destinations = {} }, { id = WEB, destinations = {} } } },
        { "bad argument #1 to 'apply' (number 1: destinations: 192.168.1.10:80 of tcp://10.0.0.1:80 is there twice)",
            lb.apply, lb, { { id = WEB, destinations = { real, { id = real, weight = 0 } } } } },
        { "bad argument #1 to 'apply' (table: rules or a list of services is needed, and there is number 0; the first "
            .. "is number 1)", lb.apply, lb, { [0] = { id = WEB, destinations = {} } } },
        { "bad argument #1 to 'apply' (table: rules or a list of services is needed, and there is a key that is a "
            .. "userdata)", lb.apply, lb, { [io.stdout] = { id = WEB } } },
        { "bad argument #1 to 'apply' (number 1: destinations: a list of destinations is needed, and there is the key "
            .. "'id')", lb.apply, lb, { { id = WEB, destinations = { id = real } } } },
        { "bad argument #2 to 'apply' (scope: a string or a list of strings is needed, and there is the key 'web')",
            lb.apply, lb, {}, { scope = { web = WEB } } },
        { "bad argument #1 to 'batch' (commands: a list of commands is needed, and there is the key 'web')",
            lb.batch, lb, { web = { "flush" } } },
        { "bad argument #1 to 'batch' (number 1: command: a list is needed, and there is the key 'id')",
            lb.batch, lb, { { "zero", id = WEB } } },
        { "bad argument #1 to 'batch' (number 1: too many arguments to 'zero')",
            lb.batch, lb, { { "zero", [3] = WEB } } },
        { "bad argument #1 to 'batch' (number 1: command: a list is needed, and there is number 4, and number 3 is "
            .. "not)", lb.batch, lb, { { "zero", [4] = WEB } } },
        { "bad argument #1 to 'pool' (servers: a list is needed, and there is the key 'id')",
            ipvs.pool, { services = { WEB }, servers = { id = real } } },
        { "bad argument #1 to 'add_service' (scheduler_flags: a list of strings is needed, and there is the key "
            .. "'sh-port')", lb.add_service, lb, { id = WEB, scheduler_flags = { ["sh-port"] = true } } },
        { "bad argument #1 to 'stop_daemon' (role: 'slave' is neither master nor backup)",
            lb.stop_daemon, lb, "slave" },
        { "bad argument #1 to 'start_daemon' (daemon: the field 'interface' is missing)",
            lb.start_daemon, lb, { role = "master" } },
        { "bad argument #1 to 'start_daemon' (sync_id: 256 is not within 0 to 255)",
            lb.start_daemon, lb, { role = "master", interface = "lo", sync_id = 256 } },
        { "bad argument #1 to 'set_timeouts' (tcp: 21474837 is above 21474836 seconds)",
            lb.set_timeouts, lb, { tcp = 21474837 } },
        {
            "bad argument #2 to 'set_setting' (value: 4 is not a number from 0 to 3)",
            lb.set_setting, lb, "drop_entry", 4,
        },
        { "bad argument #2 to 'set_setting' (value: a list of two numbers is needed, and there is number 3)",
            lb.set_setting, lb, "sync_threshold", { 4, 60, 1 } },
        { "bad argument #2 to 'set_setting' (value: a list of two numbers is needed, not of 1)",
            lb.set_setting, lb, "sync_threshold", { 4 } },
        { "bad argument #2 to 'set_setting' (value: a list of two numbers is needed, and there is number 3)",
            lb.set_setting, lb, "sync_threshold", setmetatable({ 4, 60 }, { __index = function() return 1 end }) },
        { "bad argument #2 to 'set_setting' (number 2: value: a number is needed, not string)",
            lb.set_setting, lb, "sync_threshold", { 4, "sixty" } },
        { "bad argument #2 to 'set_setting' (value: a boolean, a number, a list of two numbers or a string is "
            .. "needed, not nil)",
            lb.set_setting, lb, "drop_entry" },
        { "bad argument #1 to 'connect' (timeout: -1 is no time in seconds)", ipvs.connect, { timeout = -1 } },
        { "bad argument #1 to 'connect' (options: there is no field 'tiemout'; there are timeout, netns, load_module)",
            ipvs.connect, { tiemout = 1 } },
        { "bad argument #1 to 'connect' (options: a table is needed, not string)", ipvs.connect, "blue" },
        { "bad argument #1 to 'restore' (text: a string is needed, not nil)", lb.restore, lb },
        { "bad argument #2 to 'restore' (clear: a boolean is needed, not string)",
            lb.restore, lb, "", { clear = "no" } },
        { "bad argument #1 to 'restore' (text: it is not UTF-8)", lb.restore, lb, "-A -t \255" },
        { "bad argument #1 to 'batch' (commands: a list of commands is needed, not nil)", lb.batch, lb },
        { "bad argument #1 to 'batch' (number 2: command: 'add_servce' is none of add_service, edit_service, "
            .. "delete_service, add_destination, edit_destination, delete_destination, zero, flush, set_timeouts, "
            .. "start_daemon, stop_daemon)", lb.batch, lb, { { "flush" }, { "add_servce", WEB } } },
        { "bad argument #1 to 'batch' (number 1: bad argument #1 to 'add_service' (service: the field 'id' is "
            .. "missing))",
            lb.batch, lb, { { "add_service", {} } } },
        { "too many arguments to 'flush'", lb.flush, lb, WEB },
        { "too many arguments to 'set_weight'", lb.set_weight, lb, WEB, real, 1, 2 },
        { "bad argument #1 to 'batch' (number 1: too many arguments to 'zero')",
            lb.batch, lb, { { "zero", WEB, "x" } } },
        { "bad argument #1 to 'delete_service' (service: there is no field 'familly'; there are id, protocol, address, "
            .. "port, fwmark, family)", lb.delete_service, lb, { fwmark = 7, familly = "ipv6" } },
        { "bad argument #2 to 'delete_destination' (destination: there is no field 'prot'; there are id, "
            .. "address, port)", lb.delete_destination, lb, WEB, { id = real, prot = 80 } },
        { "'flush' is a method of a client: write client:flush(...)", lb.flush },
        { "'flush' is a method of a client: write client:flush(...)", lb.flush, io.stdout },
        { "'close' is a method of a client: write client:close(...)", lb.close, {} },
    } do
        local unpack = table.unpack or unpack
        lu.assertEquals(raised(unpack(case, 2, 8)), case[1])
    end
    lu.assertEquals(witness.rules(), {})
    -- None of them has done anything, and of a batch nothing is sent if one cannot be right.
    lu.assertEquals(raised(lb.batch, lb, { { "add_service", WEB }, 5 }),
        "bad argument #1 to 'batch' (number 2: command: a list is needed, not number)")
    lu.assertEquals(witness.rules(), {})
end

function TestErrors.test_numbers_that_are_none()
    for _, number in ipairs { 0 / 0, 1 / 0, -1 / 0, 2 ^ 60, 1e300, 1.5 } do
        lu.assertStrContains(raised(lb.add_service, lb, { fwmark = number }), "fwmark: ")
        lu.assertStrContains(raised(lb.set_weight, lb, WEB, "1.1.1.1:1", number), "weight: ")
        lu.assertStrContains(raised(lb.set_setting, lb, "amemthresh", number), "bad argument #2 to 'set_setting'")
    end
    for _, number in ipairs { 0 / 0, 1 / 0, -1 / 0, -0.5, 1e300 } do
        lu.assertStrContains(raised(ipvs.connect, { timeout = number }), "timeout: ")
    end
    lu.assertIsTrue(lb:add_service { fwmark = 2147483647.0 })
    lu.assertEquals(witness.lines("-Ln --nosort")[4]:match("^FWM  (%d+)"), "2147483647")
end

function TestErrors.test_strange_strings()
    for _, text in ipairs { "", "\0", "tcp://10.0.0.1:80\0", "\255\254", ("x"):rep(100000), "tcp://" } do
        lu.assertStrContains(raised(lb.add_service, lb, text), "service: ")
        lu.assertStrContains(raised(lb.add_service, lb, { id = WEB, scheduler = text .. ("y"):rep(16) }), "scheduler: ")
        lu.assertStrContains(raised(lb.add_destination, lb, WEB, text), "destination: ")
    end
end

function TestErrors.test_a_table_that_raises_and_one_without_end()
    local trap = setmetatable({}, { __index = function() error("from a metamethod") end })
    lu.assertStrMatches(raised(lb.add_service, lb, trap),
        "bad argument #1 to 'add_service' %(test_errors.lua:%d+: from a metamethod%)")
    local loop = {}
    loop[1], loop[2], loop.id = loop, loop, loop
    lu.assertStrContains(raised(lb.batch, lb, loop), "command: a string is needed, not table")
    lu.assertStrContains(raised(lb.add_service, lb, loop), "id: a string is needed, not table")
    -- Fields may come from elsewhere.
    local defaults = { __index = { scheduler = "rr" } }
    lu.assertIsTrue(lb:add_service(setmetatable({ id = WEB }, defaults)))
    lu.assertEquals(witness.rules(), { "-A -t 10.0.0.1:80 -s rr" })
end

function TestErrors.test_values_that_only_some_have()
    lu.assertStrContains(raised(lb.add_service, lb, { id = WEB, ["\255"] = 1 }), "there is no field '\239\191\189'")
    if rawget(_G, "jit") then
        local long = assert(loadstring "return 5LL")()
        lu.assertStrContains(raised(lb.set_weight, lb, WEB, "1.1.1.1:1", long), "a number is needed, not cdata")
    end
end

function TestErrors.test_a_panic_is_an_error()
    lu.assertStrContains(raised(ipvs._panic),
        "'_panic' broke: attempt to add with overflow; this is a mistake in ipvs itself")
    lu.assertIsTrue(lb:flush())
end

os.exit(lu.LuaUnit.run())
