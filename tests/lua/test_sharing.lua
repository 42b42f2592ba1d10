-- Objects that others use, close or outlive: coroutines, finalizers, and the collector called by hand.

local ipvs = require "ipvs"
local lu = require "luaunit"
local program = require "program"
local witness = require "witness"

local WEB, REAL = "tcp://10.0.0.1:80", "192.168.1.10:80"
local UDP = "udp://127.0.0.2:5353"
local RULES = "-A -t 10.0.0.1:80 -s wrr\n-a -t 10.0.0.1:80 -r 192.168.1.10:80 -m -w 5\n"
local lb
local pool = ipvs.pool { services = { WEB }, servers = { { id = REAL, forwarding = "masquerade" } } }
-- Arguments for the methods of a client that need some.
local ARGUMENTS = {
    set_weight = { WEB, REAL, 3 }, setting = { "conntrack" }, set_setting = { "conntrack", true },
    start_daemon = { { role = "master", interface = "lo" } }, stop_daemon = { "master" }, set_timeouts = { {} },
    batch = { { { "flush" } } }, restore = { "" }, plan = { "" }, apply = { "" }, adopt = { pool },
    reconcile = { pool }, follow = { pool, pool:checked(REAL, true) },
}
for _, name in ipairs {
    "add_service", "edit_service", "ensure_service", "delete_service", "remove_service", "service", "destinations",
} do
    ARGUMENTS[name] = { WEB }
end
for _, name in ipairs {
    "add_destination", "edit_destination", "ensure_destination", "delete_destination", "remove_destination", "drain",
} do
    ARGUMENTS[name] = { WEB, REAL }
end
local unpack = table.unpack or unpack

local function methods()
    local names = {}
    for name in pairs(debug.getmetatable(lb).__index) do
        if name ~= "close" then names[#names + 1] = name end
    end
    return names
end

TestSharing = {}

function TestSharing.setUp()
    lb = ipvs.assert(ipvs.connect())
    ipvs.assert(lb:restore(RULES, { clear = true }))
end

function TestSharing.test_every_method_of_a_closed_client()
    lb:close()
    for _, name in ipairs(methods()) do
        local ok, err = pcall(function() return (lb[name](lb, unpack(ARGUMENTS[name] or {}))) end)
        lu.assertIsFalse(ok, name)
        lu.assertStrMatches(err, "test_sharing%.lua:%d+: the client is closed")
    end
    lu.assertIsTrue(lb:close())
    lu.assertEquals(#witness.rules(), 2)
end

-- By what the collector calls, which a program can too.
function TestSharing.test_every_method_after_a_finalizer_by_hand()
    local drain, lock = ipvs.assert(lb:drain(WEB, REAL)), ipvs.assert(lb:lock())
    local other = ipvs.pool { services = { "fwmark:1" } }
    for what, object in pairs { client = lb, drain = drain, lock = lock, pool = other } do
        local names = debug.getmetatable(object).__index
        debug.getmetatable(object).__gc(object)
        for name, method in pairs(names) do
            local ok, err = pcall(function() return (method(object)) end)
            lu.assertIsFalse(ok, name)
            lu.assertStrContains(err, ("'%s' is a method of a %s"):format(name, what))
        end
        lu.assertIsFalse((pcall(function() return object.close end)))
        lu.assertIsFalse((pcall(function() return lb.nosuch(object) end)))
    end
    -- The lock is given up, and a destroyed pool is none.
    lb = ipvs.assert(ipvs.connect())
    ipvs.assert(lb:lock()):close()
    lu.assertErrorMsgContains("pool: a pool is needed, not userdata", function() lb:adopt(other) end)
    collectgarbage()
    lu.assertEquals(#witness.rules(), 2)
end

function TestSharing.test_a_finalizer_by_hand_in_the_middle_of_a_call()
    local calls = {
        function(own, _, evil) return own:add_service(evil) end,
        function(own, _, evil) return own:set_timeouts(evil) end,
        function(own, _, evil) return own:batch { evil } end,
        function(own, _, evil) return own:apply({ evil }, { scope = "fwmark:9" }) end,
        function(_, mortal, evil) return mortal:set_config(evil) end,
        function(own, mortal, evil) return own:follow(mortal, { additions = { evil } }) end,
    }
    local values = { id = "fwmark:9", [1] = "zero", services = { { id = WEB } }, tcp = 900, destinations = {} }
    for number, call in ipairs(calls) do
        local own = ipvs.assert(ipvs.connect())
        local mortal = ipvs.pool { services = { WEB } }
        local asked = 0
        local evil = setmetatable({}, { __index = function(_, key)
            asked = asked + 1
            for _, object in ipairs { own, mortal } do
                local finalize = debug.getmetatable(object).__gc
                if finalize then finalize(object) end
            end
            return values[key]
        end })
        lu.assertIsTrue(ipvs.assert(call(own, mortal, evil)) ~= nil, number)
        lu.assertIsTrue(asked > 0, number)
    end
end

function TestSharing.test_what_outlives_its_client()
    ipvs.assert(lb:restore("-A -u 127.0.0.2:5353\n-a -u 127.0.0.2:5353 -r 127.0.0.1:5353 -m -w 4\n"))
    os.execute("/bin/bash -c 'printf hello >/dev/udp/127.0.0.2/5353' 2>/dev/null")
    local connections, look, lock = ipvs.assert(lb:connections()), ipvs.assert(lb:watch()), ipvs.assert(lb:lock())
    local waiting, ready = ipvs.assert(lb:drain(UDP, "127.0.0.1:5353")), ipvs.assert(lb:drain(WEB, REAL))
    lb:close()
    lb = nil
    collectgarbage()
    collectgarbage()
    lu.assertEquals(connections().virtual, { address = "127.0.0.2", port = 5353 })
    lu.assertNil(connections())
    lu.assertEquals({ ipvs.assert(waiting:step()).state, waiting:cancel() }, { "waiting", true })
    lu.assertEquals(ipvs.assert(ready:step()).state, "drained")
    local names = {}
    for _, change in ipairs(ipvs.assert(look())) do names[change.change] = true end
    lu.assertIsTrue(names.destination_removed)
    lu.assertEquals(look(), {})
    lu.assertEquals(select(2, ipvs.assert(ipvs.connect()):lock()).kind, "locked")
    lock:close()
    ipvs.assert(ipvs.assert(ipvs.connect()):lock()):close()
end

-- One client, in turns; each coroutine is in the middle of something when another goes on.
function TestSharing.test_one_client_in_many_coroutines()
    local going = {}
    local shared = ipvs.pool { services = { WEB }, servers = { { id = REAL, forwarding = "masquerade" } } }
    for number = 1, 20 do
        going[number] = coroutine.create(function()
            local id = "fwmark:" .. number
            for round = 1, 5 do
                ipvs.assert(lb:ensure_service(id))
                coroutine.yield()
                for service in ipvs.assert(lb:services()) do
                    lu.assertIsString(service.id)
                    coroutine.yield()
                end
                for event in pairs(shared:checked(REAL, round % 2 == 0).events) do coroutine.yield(event) end
                ipvs.assert(lb:reconcile(shared))
                coroutine.yield()
                if number == 20 and round == 5 then lb:close() end
                if pcall(lb.remove_service, lb, id) then coroutine.yield() end
            end
        end)
    end
    local left = #going
    while left > 0 do
        left = 0
        for number = 1, #going do
            if coroutine.status(going[number]) ~= "dead" then
                local ok, err = coroutine.resume(going[number])
                if not ok then lu.assertStrContains(err, "the client is closed") else left = left + 1 end
            end
        end
    end
    lu.assertErrorMsgContains("the client is closed", function() lb:flush() end)
end

-- A coroutine that is given up holds nothing.
function TestSharing.test_a_coroutine_that_never_ends()
    for _ = 1, 100 do
        local walk = coroutine.wrap(function()
            for service in ipvs.assert(lb:services()) do coroutine.yield(service) end
            for connection in ipvs.assert(lb:connections()) do coroutine.yield(connection) end
        end)
        lu.assertEquals(walk().id, WEB)
    end
    collectgarbage()
    collectgarbage()
    lu.assertIsTrue(lb:flush())
end

-- An object whose finalizer does something, once the collector comes.
local function finalized(work)
    if rawget(_G, "newproxy") then
        local proxy = newproxy(true) -- luacheck: ignore 113
        getmetatable(proxy).__gc = work
        return proxy
    end
    return setmetatable({}, { __gc = work })
end

-- The collector may come in the middle of any call, and a finalizer may use what that call uses. In Lua 5.1 it may not,
-- as the guide says.
function TestSharing.test_finalizers_in_the_middle_of_calls()
    lu.skipIf(_VERSION == "Lua 5.1" and not rawget(_G, "jit"), "Lua 5.1 does not survive them, as the guide says")
    local rules = {}
    for number = 1, 5 do rules[number] = "-A -f " .. number end
    ipvs.assert(lb:restore(table.concat(rules, "\n")))
    local step, look = ipvs.assert(lb:services()), ipvs.assert(lb:watch())
    local seen, said = 0, {}
    local function work()
        seen = seen + 1
        for _, call in ipairs {
            function() return step() end, function() return look() end, function() return lb:service(WEB) end,
            function() return pool:checked(REAL, seen % 2 == 0) end, function() return lb:adopt(pool) end,
            function() return pool:set_config { services = { WEB } } end,
        } do
            local ok, err = pcall(call)
            if not ok then said[#said + 1] = err end
        end
    end
    local pause, multiplier = collectgarbage("setpause", 0), collectgarbage("setstepmul", 10000)
    for _ = 1, 20 do
        step = ipvs.assert(lb:services())
        while step() do finalized(work) end
        ipvs.assert(look())
        ipvs.assert(lb:reconcile(pool))
        for _ = 1, 3 do
            finalized(work)
            pool:table()
            pool:servers()
            pool:state()
        end
        ipvs.assert(lb:snapshot())
        ipvs.assert(lb:batch { { "zero" } })
    end
    collectgarbage("setpause", pause)
    collectgarbage("setstepmul", multiplier)
    lu.assertIsTrue(seen > 50, seen)
    for _, err in ipairs(said) do lu.assertNotStrContains(err, "broke") end
    lu.assertIsTrue(lb:flush())
end

-- What was made first is finalized last, when what it uses is gone already.
function TestSharing.test_a_finalizer_that_comes_too_late()
    local said = {}
    do
        local held = {}
        held.object = finalized(function()
            said.step, said.stepped = pcall(held.step)
            said.look, said.looked = pcall(held.look)
            said.flush, said.flushed = pcall(function() held.lb:flush() end)
            said.other = #ipvs.assert(ipvs.connect():snapshot())
        end)
        held.step, held.look, held.lb = ipvs.assert(lb:services()), ipvs.assert(lb:watch()), ipvs.assert(ipvs.connect())
    end
    for _ = 1, 3 do collectgarbage() end
    lu.assertEquals({ said.step, said.look, said.flush, said.other }, { false, false, false, 1 })
    lu.assertStrContains(said.stepped, "it is too late to call this: Lua has finalized it already")
    lu.assertStrContains(said.looked, "it is too late to call this: Lua has finalized it already")
end

-- When Lua ends everything is finalized, the module too.
function TestSharing.test_a_finalizer_that_is_older_than_the_module()
    local said = program.output [[
        local ipvs, lb, pool, step, look
        local function finish()
            for _, call in ipairs {
                function() ipvs.connect() end, function() lb:flush() end, function() lb:close() end,
                function() pool:state() end, function() step() end, function() look() end,
                function() ipvs.service_ids "fwmark:1" end,
            } do
                print((pcall(call)))
            end
        end
        if newproxy then
            keep = newproxy(true)
            getmetatable(keep).__gc = finish
        else
            keep = setmetatable({}, { __gc = finish })
        end
        ipvs = require "ipvs"
        keep_too = newproxy and newproxy(true) or setmetatable({}, { __gc = finish })
        if newproxy then getmetatable(keep_too).__gc = finish end
        lb = ipvs.assert(ipvs.connect())
        pool = ipvs.pool { services = { "fwmark:1" } }
        step, look = ipvs.assert(lb:services()), ipvs.assert(lb:watch())
    ]]
    -- What is younger than the module still has it, but nothing that is younger than itself.
    lu.assertEquals(said, "true\n" .. ("false\n"):rep(5) .. "true\n" .. ("false\n"):rep(7) .. "0\n")
end

-- A finalizer that raises is no error of the call in whose middle it came, or is told as Lua tells it; the next call
-- works. LuaJIT itself breaks on them.
function TestSharing.test_finalizers_that_raise()
    lu.skipIf(rawget(_G, "jit"), "LuaJIT itself breaks on them")
    local ran, others = 0, {}
    local function fail()
        ran = ran + 1
        error("mine", 0)
    end
    for _ = 1, 100 do
        local ok, err = pcall(function()
            for _ = 1, 10 do finalized(fail) end
            return #ipvs.assert(lb:snapshot())
        end)
        if not ok and not tostring(err):find("mine", 1, true) then others[#others + 1] = err end
    end
    -- All of them are over before anything else is tested.
    repeat
        local before = ran
        for _ = 1, 10 do pcall(collectgarbage) end
    until ran == before
    lu.assertEquals(others, {})
    lu.assertIsTrue(ran > 500, ran)
    lu.assertEquals(#ipvs.assert(lb:snapshot()), 1)
end

os.exit(lu.LuaUnit.run())
