-- What a host expects of a module: nothing is left open, nothing grows, forks and coroutines work, it ends cleanly.

local ipvs = require "ipvs"
local lu = require "luaunit"
local program = require "program"

local WEB = "tcp://10.0.0.1:80"

-- How many descriptors this process has, and how many of them are sockets.
local function descriptors()
    local pipe = assert(io.popen("ls -l /proc/$PPID/fd"))
    local list = pipe:read "*a"
    pipe:close()
    return select(2, list:gsub(" %-> ", "")), select(2, list:gsub("socket:", ""))
end

-- Sockets that something still needs.
local function sockets()
    collectgarbage()
    collectgarbage()
    return (select(2, descriptors()))
end

local function resident()
    for line in io.lines("/proc/self/status") do
        local kilobytes = line:match("^VmRSS:%s+(%d+)")
        if kilobytes then return tonumber(kilobytes) end
    end
end

TestManners = {}

function TestManners.test_a_client_opens_its_socket_when_it_needs_it_and_closes_it()
    local before = sockets()
    local lb = ipvs.assert(ipvs.connect())
    lu.assertEquals(sockets(), before)
    lu.assertIsTrue(lb:flush())
    lu.assertEquals(sockets(), before + 1)
    lu.assertEquals(tostring(lb), "ipvs.Client { timeout = 1 }")
    lu.assertIsTrue(lb:close())
    lu.assertEquals(sockets(), before)
    lu.assertIsTrue(lb:close())
    lu.assertEquals(tostring(lb), "ipvs.Client { timeout = 1 } (closed)")
    lu.assertEquals(tostring(ipvs.connect { timeout = 0.25, netns = "/proc/self/ns/net" }),
        'ipvs.Client { timeout = 0.25, netns = "/proc/self/ns/net" }')
    lu.assertErrorMsgContains("the client is closed", function() lb:flush() end)
end

function TestManners.test_garbage_is_closed()
    local before = sockets()
    for _ = 1, 10 do
        ipvs.assert(ipvs.assert(ipvs.connect()):flush())
    end
    lu.assertEquals(sockets(), before)
end

-- A kernel that goes on answering is not waited for for ever, and the next call is answered as if nothing had been.
function TestManners.test_a_deadline_is_kept()
    local rules = {}
    for number = 1, 20000 do rules[number] = "-A -f " .. number end
    local lb = ipvs.assert(ipvs.connect { timeout = 0.000001 })
    ipvs.assert(lb:restore(table.concat(rules, "\n")))
    local function seconds()
        local file = assert(io.open "/proc/uptime")
        return file:read "*n", file:close()
    end
    local patient = ipvs.assert(ipvs.connect { timeout = 60 })
    local function least(list)
        local times = {}
        for number = 1, 3 do
            local begin = seconds()
            list()
            times[number] = seconds() - begin
        end
        return math.min(times[1], times[2], times[3])
    end
    local nothing, err
    local whole = least(function() ipvs.assert(patient:services()) end)
    lu.assertTrue(least(function() nothing, err = lb:services() end) < whole / 2)
    lu.assertNil(nothing)
    lu.assertEquals({ err.kind, err.operation }, { "timed_out", "services" })
    lu.assertStrContains(tostring(err), "no answer from the kernel within 1µs")
    lu.assertIsTrue(lb:flush())
    lu.assertNil(ipvs.assert(lb:services())())
end

function TestManners.test_a_variable_that_closes()
    lu.skipIf(_VERSION < "Lua 5.4", "Lua 5.4 has variables and loops that close")
    local before = sockets()
    local block = assert(load([[
        local ipvs, sockets = ...
        local lb <close> = assert(ipvs.connect())
        assert(lb:flush())
        return sockets()
    ]]))
    lu.assertEquals(block(ipvs, sockets), before + 1)
    lu.assertEquals(sockets(), before)
end

function TestManners.test_loops_outlive_their_client()
    local lb = ipvs.assert(ipvs.connect())
    ipvs.assert(lb:restore("-A -t 10.0.0.1:80\n-A -t 10.0.0.2:80\n", { clear = true }))
    local step = ipvs.assert(lb:services())
    lb:close()
    collectgarbage()
    lu.assertNotNil(step())
    lu.assertNotNil(step())
    lu.assertNil(step())
    lu.assertNil(step())
end

-- Lua's collector does not see files: it would come when there are none left.
function TestManners.test_a_loop_closes_its_file_at_its_end()
    local ballast = {}
    for number = 1, 200000 do ballast[number] = { number } end
    local lb = ipvs.assert(ipvs.connect())
    ipvs.assert(lb:flush())
    collectgarbage()
    collectgarbage "stop"
    local before = descriptors()
    for _ = 1, 50 do
        for _ in ipvs.assert(lb:connections()) do end
    end
    lu.assertEquals(descriptors(), before)
    collectgarbage "restart"
    lu.assertEquals(#ballast, 200000)
end

-- From Lua 5.4 on a loop that is left early closes it too.
function TestManners.test_a_loop_that_is_left_closes_its_file()
    lu.skipIf(_VERSION < "Lua 5.4", "Lua 5.4 has variables and loops that close")
    local lb = ipvs.assert(ipvs.connect())
    ipvs.assert(lb:restore("-A -u 127.0.0.2:5353\n-a -u 127.0.0.2:5353 -r 127.0.0.1:5353 -m\n", { clear = true }))
    os.execute("/bin/bash -c 'printf hello >/dev/udp/127.0.0.2/5353' 2>/dev/null")
    collectgarbage "stop"
    local before, seen = descriptors(), 0
    for _ = 1, 20 do
        for _ in ipvs.assert(lb:connections()) do
            seen = seen + 1
            if seen > 0 then break end
        end
    end
    lu.assertEquals({ descriptors(), seen }, { before, 20 })
    collectgarbage "restart"
end

-- A client that was used before the fork, as in nginx's `init_by_lua`.
function TestManners.test_children_have_sockets_of_their_own()
    lu.skipIf(not rawget(_G, "jit"), "LuaJIT alone can fork by itself")
    local ffi = require "ffi"
    ffi.cdef "int fork(void); int waitpid(int, int *, int); void _exit(int);"
    local lb = ipvs.assert(ipvs.connect())
    ipvs.assert(lb:restore("-A -t 10.0.0.1:80\n-a -t 10.0.0.1:80 -r 192.168.1.1:80 -m\n", { clear = true }))
    local children = {}
    for number = 1, 4 do
        local child = ffi.C.fork()
        if child == 0 then
            local failures = 0
            for weight = 1, 200 do
                if not lb:set_weight(WEB, "192.168.1.1:80", weight) then failures = failures + 1 end
            end
            ffi.C._exit(failures > 0 and 1 or 0)
        end
        children[number] = child
    end
    for _ = 1, 200 do lu.assertEquals(#ipvs.assert(lb:snapshot()), 1) end
    for _, child in ipairs(children) do
        local status = ffi.new "int[1]"
        lu.assertEquals({ ffi.C.waitpid(child, status, 0), status[0] }, { child, 0 })
    end
end

-- When Lua ends it unloads modules, and calls finalizers that may use them afterwards.
function TestManners.test_finalizers_at_the_end()
    local said = program.output [[
        local ipvs = require "ipvs"
        local lb = ipvs.assert(ipvs.connect())
        ipvs.assert(lb:flush())
        local function finish()
            pcall(function() lb:flush() end)
            print(ipvs.connect() ~= nil)
        end
        if newproxy then
            keep = newproxy(true)
            getmetatable(keep).__gc = finish
        else
            keep = setmetatable({}, { __gc = finish })
        end
    ]]
    lu.assertEquals(said, "true\n0\n")
end

function TestManners.test_a_finalizer_may_close_a_client_that_is_in_a_call()
    local lb = ipvs.assert(ipvs.connect())
    ipvs.assert(lb:flush())
    local closer = setmetatable({}, { __index = function(_, name)
        lb:close()
        return name == "id" and WEB or nil
    end })
    lu.assertIsTrue(lb:add_service(closer))
    lu.assertErrorMsgContains("the client is closed", function() lb:flush() end)
end

function TestManners.test_coroutines()
    local lb = ipvs.assert(ipvs.connect())
    ipvs.assert(lb:flush())
    ipvs.assert(lb:add_service(WEB))
    local ids = {}
    local walk = coroutine.wrap(function()
        for service in ipvs.assert(lb:services()) do
            coroutine.yield(service.id)
        end
    end)
    for id in walk do
        ids[#ids + 1] = id
    end
    lu.assertEquals(ids, { WEB })
    local ok, err = coroutine.resume(coroutine.create(function() lb:add_service(5) end))
    lu.assertIsFalse(ok)
    lu.assertStrMatches(err, "test_manners%.lua:%d+: bad argument #1 to 'add_service' .*")
end

function TestManners.test_two_clients_do_not_know_each_other()
    local first, second = ipvs.assert(ipvs.connect()), ipvs.assert(ipvs.connect())
    ipvs.assert(first:flush())
    ipvs.assert(first:add_service(WEB))
    first:close()
    lu.assertIsTrue(second:delete_service(WEB))
    second:close()
end

-- 100,000 calls, with errors among them, on Lua 5.4 and LuaJIT; a tenth of them on the others.
function TestManners.test_nothing_grows()
    local lb = ipvs.assert(ipvs.connect())
    ipvs.assert(lb:restore("-A -t 10.0.0.1:80\n-a -t 10.0.0.1:80 -r 192.168.1.1:80 -m\n", { clear = true }))
    local function rounds(count)
        for round = 1, count do
            lb:set_weight(WEB, "192.168.1.1:80", round)
            lb:add_service(WEB)
            lb:delete_service "fwmark:9"
            pcall(lb.add_service, lb, { id = WEB, wieght = round })
            for service in lb:services() do
                for _ in lb:destinations(service) do end
            end
            lb:service(WEB)
            lb:snapshot()
            lb:batch { { "edit_service", WEB }, { "delete_service", "fwmark:9" } }
            lb:connections()
        end
        collectgarbage()
        collectgarbage()
    end
    rounds(1000)
    local memory, lua, open = resident(), collectgarbage("count"), sockets()
    local is_long = rawget(_G, "jit") ~= nil or _VERSION == "Lua 5.4"
    rounds(is_long and 9000 or 900)
    local most = is_long and 1024 or 256
    lu.assertIsTrue(resident() - memory < most, ("%.0f KiB more"):format(resident() - memory))
    lu.assertIsTrue(collectgarbage("count") - lua < 64, ("%.0f KiB more in Lua"):format(collectgarbage("count") - lua))
    lu.assertEquals(sockets(), open)
end

-- nginx loads what a request asks for in that request's own coroutine, which is gone with it.
function TestManners.test_it_may_be_loaded_in_a_coroutine()
    local said = program.output [[
        local loaded = coroutine.wrap(function() return require "ipvs" end)
        local ipvs = loaded()
        loaded = nil
        collectgarbage()
        collectgarbage()
        local junk = {}
        for number = 1, 1000 do junk[number] = coroutine.create(function() return number end) end
        local lb = ipvs.assert(ipvs.connect())
        ipvs.assert(lb:add_service { id = "fwmark:7" })
        local within = coroutine.wrap(function()
            for service in lb:services() do coroutine.yield(service.id) end
            coroutine.yield(select(2, lb:service "fwmark:8").kind)
            coroutine.yield(select(2, pcall(lb.add_service, lb, 5)))
        end)
        print(within(), within(), (within():match "bad argument #1"))
        within = nil
        lb:drain("fwmark:7", "10.9.0.1:80")
        for _ = 1, 200 do ipvs.connect():info() end
        collectgarbage()
        print(lb:delete_service "fwmark:7")
    ]]
    lu.assertEquals(said, "fwmark:7\tno_such_service\tbad argument #1\ntrue\n0\n")
end

os.exit(lu.LuaUnit.run())
