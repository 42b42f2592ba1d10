-- Arguments that nobody should give: each is an error that names it, the kernel's table stays, and the host lives on.
-- Every function is walked with every argument and every field of it. What is right stands in `CALLS`; what is not in
-- there fails a test.

local ipvs = require "ipvs"
local lu = require "luaunit"
local witness = require "witness"

local WEB, NEW = "tcp://10.0.0.1:80", "udp://10.0.0.2:53"
local REAL, OTHER = "192.168.1.10:80", "192.168.1.12:80"
local RULES = "-A -t 10.0.0.1:80 -s wrr\n-a -t 10.0.0.1:80 -r 192.168.1.10:80 -m -w 1\n"
local unpack = table.unpack or unpack
local lb, looker = ipvs.assert(ipvs.connect()), ipvs.assert(ipvs.connect())
local own_config = { services = { WEB }, servers = { { id = REAL, forwarding = "masquerade" } } }
local pool = ipvs.pool(own_config)

local service = {
    id = NEW, protocol = "udp", address = "10.0.0.2", port = 53, family = "ipv4", scheduler = "sh",
    scheduler_flags = { "sh-port" }, persistence_timeout = 60, netmask = "255.255.255.0", persistence_engine = "sip",
    one_packet = true,
}
local mark = { fwmark = 7, family = "ipv6", netmask = 64 }
local destination = {
    id = OTHER, address = "192.168.1.12", port = 80, forwarding = "tunnel", weight = 7, upper_threshold = 9,
    lower_threshold = 3, tunnel = { type = "gue", port = 5555, checksum = "on" },
}
local daemon = {
    role = "master", interface = "lo", sync_id = 7, max_length = 1400, group = "224.0.0.82", port = 8849, ttl = 2,
}
local config = {
    services = { { id = WEB } }, servers = { { id = REAL, weight = 3 } }, sorry_server = { id = OTHER }, quorum = 3,
    hysteresis = 1, inhibit_on_failure = true, sorry_server_inhibit = true, alpha = true, rise = 2, fall = 2,
}
local list = { { id = WEB, scheduler = "wrr", destinations = { { id = REAL, forwarding = "masquerade" } } } }
local command = { "add_destination", WEB, { id = OTHER, weight = 7 } }
local timeouts = { tcp = 900, tcp_fin = 120, udp = 300 }

-- Arguments that are right, for every function that takes any: the function's object, its name, and the arguments'
-- names and values.
local CALLS = {
    { ipvs, "connect", { "options", { timeout = 1, netns = "/proc/self/ns/net", load_module = true } } },
    { ipvs, "parse_rules", { "text", RULES } },
    { ipvs, "format_rule", { "command", command } },
    { ipvs, "service_ids", { "text", "fwmark:1-9" } },
    { ipvs, "pool", { "config", config } },
    { lb, "service", { "service", { id = WEB } } },
    { lb, "destinations", { "service", { id = WEB, family = "ipv4" } } },
    { lb, "setting", { "name", "conntrack" } },
    { lb, "set_setting", { "name", "conntrack" }, { "value", true } },
    { lb, "set_setting", { "name", "sync_threshold" }, { "value", { 4, 60 } } },
    { lb, "add_service", { "service", service } },
    { lb, "add_service", { "service", mark } },
    { lb, "edit_service", { "service", { id = WEB, scheduler = "rr" } } },
    { lb, "ensure_service", { "service", service } },
    { lb, "delete_service", { "service", WEB } },
    { lb, "remove_service", { "service", { fwmark = 7, family = "ipv6" } } },
    { lb, "add_destination", { "service", WEB }, { "destination", destination } },
    { lb, "edit_destination", { "service", WEB }, { "destination", { id = REAL, weight = 5 } } },
    { lb, "ensure_destination", { "service", WEB }, { "destination", destination } },
    { lb, "delete_destination", { "service", WEB }, { "destination", { id = REAL } } },
    { lb, "remove_destination", { "service", WEB }, { "destination", { address = "192.168.1.10", port = 80 } } },
    { lb, "set_weight", { "service", WEB }, { "destination", REAL }, { "weight", 4 } },
    { lb, "zero", { "service", WEB } },
    { lb, "set_timeouts", { "timeouts", timeouts } },
    { lb, "start_daemon", { "daemon", daemon } },
    { lb, "stop_daemon", { "role", "master" } },
    { lb, "batch", { "commands", { command, { "set_timeouts", timeouts } } } },
    { lb, "restore", { "text", "-Z" }, { "options", { clear = true } } },
    { lb, "current_table", { "scope", { "fwmark:1-9", WEB } } },
    { lb, "plan", { "table", list }, { "options", { scope = { WEB } } } },
    { lb, "apply", { "table", list }, { "options", { scope = WEB, rollback = true } } },
    { lb, "adopt", { "pool", pool } },
    { lb, "follow", { "pool", pool }, { "changes", { additions = { command }, removals = { { "flush" } } } } },
    { lb, "reconcile", { "pool", pool } },
    { lb, "drain", { "service", WEB }, { "destination", REAL },
        { "options", { deadline = 60, inactive = true, persistent = true } } },
    { lb, "set_sync_role", { "daemon", daemon } },
    { pool, "checked", { "server", REAL }, { "is_well", true } },
    { pool, "set_weight", { "server", { id = REAL } }, { "weight", 4 } },
    { pool, "set_config", { "config", config } },
    { pool, "adopt_state", { "state", "quorum up\n" } },
}

-- What an error may name besides the argument or its field.
local ALSO = {
    command = { "argument" }, commands = { "command", "argument" }, config = { "pool", "services" },
    text = { "range", "service" }, state = { "pool" }, table = { "id", "scope" }, name = { "setting" },
    value = { "conntrack", "sync_threshold" }, id = { "service", "destination" }, service = { "id" },
    destination = { "id" }, server = { "destination", "id" }, sorry_server = { "destination", "id" },
    address = { "service", "destination" }, port = { "service", "destination" }, fwmark = { "service" },
    protocol = { "service" }, family = { "service", "netmask" }, scheduler = { "scheduler_flags" },
    persistence_timeout = { "persistence_engine" }, forwarding = { "tunnel" },
    upper_threshold = { "lower_threshold" }, quorum = { "hysteresis" }, additions = { "command" },
    removals = { "command" },
}

local function deep()
    local nested = {}
    for _ = 1, 100000 do nested = { nested, id = nested } end
    return nested
end

local function endless()
    local nested = {}
    nested[1], nested[2], nested.id, nested.services, nested.destinations = nested, nested, nested, nested, nested
    return nested
end

-- What is right nowhere, but where something says so.
local NEVER = {
    { "nan", 0 / 0 }, { "inf", 1 / 0 }, { "-inf", -1 / 0 }, { "-1", -1 }, { "2^53 + 2", 2 ^ 53 + 2, seconds = true },
    { "2^63", 2 ^ 63, seconds = true }, { "1.5", 1.5, seconds = true }, { "1e300", 1e300 }, { "NUL", "\0" },
    { "no UTF-8", "\255" }, { "a long string", ("x"):rep(100000) }, { "a function", print },
    { "a coroutine", coroutine.create(function() end) }, { "a file", io.stdout }, { "a client", lb },
    { "a deep table", deep() }, { "a table of itself", endless() },
}
if math.type then
    NEVER[#NEVER + 1] = { "the least integer", math.mininteger }
    NEVER[#NEVER + 1] = { "the largest integer", math.maxinteger, seconds = true }
end
if rawget(_G, "jit") then
    NEVER[#NEVER + 1] = { "cdata", assert(loadstring "return 5LL")() }
end

-- What may be right here or there.
local MAYBE = {
    { "nil", nil }, { "false", false }, { "true", true }, { "0", 0 }, { "an empty string", "" }, { "a digit", "7" },
    { "an empty table", {} }, { "2^31", 2 ^ 31 }, { "a pool", pool },
}

local function copy(value)
    if type(value) ~= "table" then return value end
    local made = {}
    for key, part in pairs(value) do made[key] = copy(part) end
    return made
end

-- The ways to all parts of a call's arguments, each from the number of an argument.
local function ways(call)
    local found = {}
    local function walk(value, way)
        found[#found + 1] = way
        if type(value) ~= "table" then return end
        for key, part in pairs(value) do
            local longer = { unpack(way) }
            longer[#longer + 1] = key
            walk(part, longer)
        end
    end
    for number = 1, #call - 2 do walk(call[number + 2][2], { number }) end
    return found
end

-- The arguments of a call, with another value at the end of a way.
local function arguments(call, way, value)
    local given, count = {}, #call - 2
    for number = 1, count do given[number] = copy(call[number + 2][2]) end
    local place = given
    for step = 1, #way - 1 do place = place[way[step]] end
    place[way[#way]] = value
    return given, count
end

-- The value at the end of a way.
local function at(call, way)
    local value = call[way[1] + 2][2]
    for step = 2, #way do value = value[way[step]] end
    return value
end

-- Calls a function as its caller would.
local function run(call, given, count)
    -- A tail call would have no line in Lua 5.1.
    local result, err
    if call[1] == ipvs then
        result, err = ipvs[call[2]](unpack(given, 1, count))
    else
        result, err = call[1][call[2]](call[1], unpack(given, 1, count))
    end
    return result, err
end

-- Whether an error names what is at the end of a way, a part of it, or what it goes with; or says what was raised.
local function names_it(text, call, way, own)
    local names = { call[way[1] + 2][1] }
    for step = 2, #way do
        names[#names + 1] = type(way[step]) == "string" and way[step] or "number " .. way[step]
    end
    for number = 1, #names do
        for _, name in ipairs(ALSO[names[number]] or {}) do names[#names + 1] = name end
    end
    -- LuaJIT may say no more than the last of it.
    local words = { own, own and "error in error handling" }
    for _, name in ipairs(names) do
        words[#words + 1] = name == "argument" and "bad argument #" or name .. ": "
    end
    local form = "^test_hostile%%.lua:%%d+: bad argument #?%d? ?to '%s' %%((.*)%%)$"
    -- A plan is made as it is applied.
    local inner = text:match(form:format(way[1], call[2])) or call[2] == "plan" and text:match(form:format(1, "apply"))
    for _, word in ipairs(words) do
        if inner and inner:find(word, 1, true) then return true end
    end
    return false
end

local function restore()
    looker:set_sync_role()
    pool:set_config(own_config)
    ipvs.assert(looker:set_timeouts(timeouts))
    ipvs.assert(looker:set_setting("conntrack", false))
    ipvs.assert(looker:set_setting("sync_threshold", { 3, 50 }))
    ipvs.assert(looker:restore(RULES, { clear = true }))
end

-- What a call might change.
local function state(call)
    local times = ipvs.assert(looker:timeouts())
    local parts = { ipvs.assert(looker:save()), #ipvs.assert(looker:daemons()), times.tcp, times.tcp_fin, times.udp }
    if call[2] == "set_setting" then
        parts[#parts + 1] = tostring(looker:setting "conntrack")
        for _, number in ipairs(ipvs.assert(looker:setting "sync_threshold")) do parts[#parts + 1] = number end
    end
    return table.concat(parts, " ")
end

-- For each function, what it was before any call.
local initial = {}

-- Calls with something at the end of a way: what is raised is a string that names it, what is returned an error of the
-- module's, and either leaves everything as it was. Says whether it was right, and the kind of an error that was
-- returned.
local function try(call, way, value, title, own)
    local case = ("%s(%s) with %s"):format(call[2], table.concat(way, "."), title)
    local given, count = arguments(call, way, value)
    initial[call[2]] = initial[call[2]] or state(call)
    local ok, result, err = pcall(function() return (run(call, given, count)) end)
    if ok and result == nil then
        ok, result, err = pcall(function() return run(call, given, count) end)
    end
    if not ok then
        lu.assertIsString(result, case)
        lu.assertIsTrue(names_it(result, call, way, own), case .. ": " .. result:sub(1, 500))
    elseif result == nil then
        lu.assertIsTable(err, case)
        lu.assertIsString(err.kind, case)
        lu.assertIsString(err.message, case)
    end
    if not ok or result == nil then
        lu.assertEquals(state(call), initial[call[2]], case)
        return false, ok and err.kind
    end
    restore()
    return true
end

TestHostile = {}

function TestHostile.setUp()
    restore()
end

-- Everything that `ipvs.d.lua` has with its arguments, which `test_definitions.lua` sees to have everything.
function TestHostile.test_every_argument_is_walked()
    local file = assert(io.open "../../bindings-lua/ipvs.d.lua")
    local text = file:read "*a"
    file:close()
    local expected, given = {}, {}
    for owner, name, names in text:gmatch "\nfunction (%a+)[.:]([a-z_]+)%(([^)\n]+)%) end" do
        if name ~= "assert" then expected[owner .. "." .. name] = names end
    end
    for _, call in ipairs(CALLS) do
        local names = {}
        for number = 3, #call do names[#names + 1] = call[number][1] end
        local owner = call[1] == ipvs and "ipvs" or call[1] == lb and "client" or "pool"
        given[owner .. "." .. call[2]] = table.concat(names, ", ")
    end
    lu.assertEquals(given, expected)
end

function TestHostile.test_values()
    for _, call in ipairs(CALLS) do
        local rules = witness.rules()
        for _, way in ipairs(ways(call)) do
            local key = way[#way]
            for _, value in ipairs(NEVER) do
                local is_right, refusal = try(call, way, value[2], value[1])
                local may_be = value.seconds and (key == "timeout" or key == "deadline")
                local case = ("%s(%s) took %s"):format(call[2], table.concat(way, "."), value[1])
                lu.assertIsTrue(not is_right or may_be, case)
                -- Nothing of it is left to the kernel; only a namespace is looked for.
                local is_ours = not refusal or refusal == "invalid_rule"
                lu.assertIsTrue(is_ours or key == "netns", case .. ": " .. tostring(refusal))
            end
            for _, value in ipairs(MAYBE) do try(call, way, value[2], value[1]) end
        end
        lu.assertEquals(witness.rules(), rules, call[2])
    end
end

-- The others were right.
function TestHostile.test_what_is_right()
    for _, call in ipairs(CALLS) do
        local given, count = arguments(call, { 1 }, copy(call[3][2]))
        local result, err = run(call, given, count)
        lu.assertIsTrue(result ~= nil or err.kind == "no_such_daemon", call[2])
        restore()
    end
end

-- More arguments than there are, however many.
function TestHostile.test_too_many_arguments()
    for _, count in ipairs { 5, 250, 7000 } do
        for _, value in ipairs { 5, {}, print } do
            local many = {}
            for number = 1, count do many[number] = value end
            for _, call in ipairs(CALLS) do
                local ok, err = pcall(function() return (run(call, many, count)) end)
                lu.assertIsFalse(ok)
                lu.assertStrContains(err, "too many arguments to '" .. call[2] .. "'")
            end
        end
    end
    lu.assertEquals(#witness.rules(), 2)
end

-- Another object in front of the colon.
function TestHostile.test_other_objects()
    local drain = ipvs.assert(lb:drain(WEB, REAL))
    local lock = ipvs.assert(lb:lock())
    local objects = { client = lb, pool = pool, drain = drain, lock = lock }
    for what, object in pairs(objects) do
        for name, method in pairs(debug.getmetatable(object).__index) do
            local others = { 5, "x", {}, print, io.stdout, coroutine.create(function() end) }
            others[#others + 1] = setmetatable({}, { __index = object })
            for other, its in pairs(objects) do
                if other ~= what then others[#others + 1] = its end
            end
            for number = 0, #others do
                local ok, err = pcall(function() return (method(others[number])) end)
                lu.assertIsFalse(ok)
                lu.assertStrContains(err, ("'%s' is a method of a %s: write %s:%s(...)"):format(name, what, what, name))
            end
        end
    end
    lock:close()
end

-- Tables whose metamethods do something, in the place of every table.
local function each_table(try_it)
    for _, call in ipairs(CALLS) do
        for _, way in ipairs(ways(call)) do
            if type(at(call, way)) == "table" then try_it(call, way) end
        end
    end
end

function TestHostile.test_metamethods_that_raise()
    for own, raise in pairs {
        ["mine"] = function() error("mine", 0) end,
        ["table"] = function() error { "mine" } end,
        ["nil"] = function() error() end,
        ["worse"] = function() error(setmetatable({}, { __tostring = function() error "worse" end })) end,
        ["attempt to yield"] = coroutine.yield,
    } do
        each_table(function(call, way)
            local evil = setmetatable({}, { __index = raise })
            local inside = coroutine.wrap(function()
                try(call, way, evil, "a metamethod that raises", own)
                return "done"
            end)
            lu.assertEquals(inside(), "done")
        end)
    end
    local function again() return 1 + again() end
    local evil = setmetatable({}, { __index = function() return again() end })
    lu.assertIsFalse(try(CALLS[1], { 1 }, evil, "a metamethod without an end", "stack overflow"))
end

-- Nothing but reading a field is asked of a table.
function TestHostile.test_metamethods_that_are_not_called()
    local names = {
        "__len", "__pairs", "__ipairs", "__eq", "__lt", "__le", "__call", "__concat", "__unm", "__newindex", "__close",
    }
    local called
    local evil = {}
    for _, name in ipairs(names) do
        evil[name] = function() called = name end
    end
    evil.__tostring = function() called = "__tostring" return "x" end
    each_table(function(call, way)
        try(call, way, setmetatable({}, evil), "metamethods")
        try(call, way, setmetatable(copy(at(call, way)), evil), "metamethods")
        lu.assertNil(called, call[2])
    end)
end

function TestHostile.test_keys_that_are_none()
    local unshowable = setmetatable({}, { __tostring = function() error("mine", 0) end })
    local wrong = setmetatable({}, { __tostring = function() return {} end })
    local yields = setmetatable({}, { __tostring = coroutine.yield })
    local own = {
        ["what cannot be shown"] = "mine", ["what is shown as a table"] = "'__tostring' must return a string",
        ["a yield"] = "attempt to yield",
    }
    local calls = setmetatable({}, { __tostring = function() return tostring(#ipvs.assert(lb:snapshot())) end })
    for title, key in pairs {
        ["a number"] = 1.5, ["a flag"] = true, ["a table"] = {}, ["a function"] = print, ["a client"] = lb,
        ["no UTF-8"] = "\255", NUL = "id\0", ["what cannot be shown"] = unshowable,
        ["what is shown as a table"] = wrong, ["a yield"] = yields, ["a call"] = calls,
    } do
        each_table(function(call, way)
            local given = copy(at(call, way))
            given[key] = 1
            try(call, way, given, title, own[title])
        end)
    end
    local ok, err = pcall(function() lb:add_service { id = NEW, [calls] = 1 } end)
    lu.assertIsFalse(ok)
    lu.assertStrContains(err, "service: there is no field '1'; there are id, ")
end

-- What is asked of the client in the middle of a call is answered.
function TestHostile.test_metamethods_that_call_the_client()
    local calls = 0
    each_table(function(call, way)
        local good = at(call, way)
        local evil = setmetatable({}, { __index = function(_, key)
            calls = calls + 1
            lu.assertEquals(ipvs.assert(lb:service(WEB)).id, WEB)
            lu.assertIsTrue(pool:has_quorum() ~= nil)
            return copy(good[key])
        end })
        try(call, way, evil, "a table that calls the client")
    end)
    lu.assertIsTrue(calls > 100)
end

-- The same call again and again ends as any recursion of Lua's does. LuaJIT itself breaks on one through C, such as
-- that of `gsub`.
function TestHostile.test_endless_recursion()
    lu.skipIf(rawget(_G, "jit"), "LuaJIT itself breaks on it")
    for _, call in ipairs {
        function(evil) lb:add_service(evil) end,
        function(evil) lb:batch { { "add_service", evil } } end,
        function(evil) lb:apply { evil } end,
        function(evil) ipvs.pool(evil) end,
        function(evil) pool:set_config(evil) end,
    } do
        local evil = {}
        setmetatable(evil, { __index = function() return call(evil) end })
        for _, start in ipairs { pcall, function(...)
            return coroutine.wrap(function(...) return pcall(...) end)(...)
        end } do
            local ok, err = start(call, evil)
            lu.assertIsFalse(ok)
            lu.assertStrContains(err, "stack overflow")
        end
    end
    lu.assertIsTrue(lb:zero())
    lu.assertEquals(#witness.rules(), 2)
end

os.exit(lu.LuaUnit.run())
