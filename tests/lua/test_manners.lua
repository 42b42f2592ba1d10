-- What a host expects of a module: nothing is left open, nothing grows, deadlines are kept, coroutines work.

local ipvs = require "ipvs"
local lu = require "luaunit"

local WEB = "tcp://10.0.0.1:80"

-- How many descriptors of this process are sockets that something still needs.
local function sockets()
    collectgarbage()
    collectgarbage()
    local pipe = assert(io.popen("ls -l /proc/$PPID/fd"))
    local count = select(2, pipe:read("*a"):gsub("socket:", ""))
    pipe:close()
    return count
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
    lu.assertEquals(tostring(lb), "ipvs.Client")
    lu.assertIsTrue(lb:close())
    lu.assertEquals(sockets(), before)
    lu.assertIsTrue(lb:close())
    lu.assertEquals(tostring(lb), "ipvs.Client (closed)")
    lu.assertErrorMsgContains("the client is closed", function() lb:flush() end)
end

function TestManners.test_garbage_is_closed()
    local before = sockets()
    for _ = 1, 10 do
        ipvs.assert(ipvs.assert(ipvs.connect()):flush())
    end
    lu.assertEquals(sockets(), before)
end

function TestManners.test_a_variable_that_closes()
    if _VERSION < "Lua 5.4" then return end
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

-- 100,000 calls, with errors among them.
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
    rounds(9000)
    lu.assertIsTrue(resident() - memory < 1024, ("%.0f KiB more"):format(resident() - memory))
    lu.assertIsTrue(collectgarbage("count") - lua < 64, ("%.0f KiB more in Lua"):format(collectgarbage("count") - lua))
    lu.assertEquals(sockets(), open)
end

os.exit(lu.LuaUnit.run())
