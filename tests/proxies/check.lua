-- The examples' health check by itself, with a table and servers that are made up: what no real proxy does on demand.

local lu = require "luaunit"
local lvs_check = require "lvs_check"

local SERVICE = "tcp://10.0.0.1:80"
local PATH = os.tmpname()

local weights, sick, lines, lb, checker

-- A table with these weights, by server; `lb` has what the check uses of a client.
local function lb_with(servers)
    weights = servers
    lb = {}
    function lb.snapshot()
        local destinations = {}
        for id, weight in pairs(weights) do
            destinations[#destinations + 1] = { id = id, port = tonumber(id:match("%d+$")), weight = weight }
        end
        return { { id = SERVICE, protocol = "tcp", destinations = destinations } }
    end
    function lb.set_weight(_, _, id, weight)
        local before = weights[id]
        if not before then return nil, "no such destination" end
        weights[id] = weight
        return before
    end
end

-- A proxy that starts: all it knows is in the file.
local function start(path)
    lines = {}
    checker = lvs_check.new(lb, lvs_check.file_memory(path or PATH), 2, 2, function(text) lines[#lines + 1] = text end)
end

local function now(call) call() end

local function ask(server) return sick[server.id] end

local function rounds(count)
    for _ = 1, count do
        checker:round(now, ask)
    end
end

local function content(path)
    local file = assert(io.open(path))
    local text = file:read("*a")
    file:close()
    return text
end

TestCheck = {}

function TestCheck.setUp()
    os.remove(PATH)
    sick = {}
    lb_with { ["192.168.1.1:80"] = 5, ["192.168.1.2:80"] = 3 }
    start()
end

function TestCheck.tearDown()
    os.remove(PATH)
    os.remove(PATH .. ".new")
end

function TestCheck.test_as_many_failures_and_successes_as_it_is_told()
    sick["192.168.1.1:80"] = "refused"
    rounds(1)
    lu.assertEquals(weights["192.168.1.1:80"], 5)
    rounds(1)
    lu.assertEquals(weights, { ["192.168.1.1:80"] = 0, ["192.168.1.2:80"] = 3 })
    rounds(5)
    sick = {}
    rounds(1)
    lu.assertEquals(weights["192.168.1.1:80"], 0)
    rounds(1)
    lu.assertEquals(weights["192.168.1.1:80"], 5)
    lu.assertEquals(content(PATH), "")
    local name = "192.168.1.1:80 of " .. SERVICE
    lu.assertEquals(lines, { name .. " is down: refused", name .. " is up" })
end

function TestCheck.test_a_start_while_a_server_is_out()
    sick["192.168.1.1:80"] = "refused"
    rounds(2)
    start()
    rounds(5)
    lu.assertEquals(weights["192.168.1.1:80"], 0)
    sick = {}
    rounds(2)
    lu.assertEquals(weights["192.168.1.1:80"], 5)
end

function TestCheck.test_what_the_process_before_still_does()
    local before = checker
    start()
    rounds(1)
    before:round(now, function() return "refused" end)
    before:round(now, function() return "refused" end)
    lu.assertEquals(weights, { ["192.168.1.1:80"] = 0, ["192.168.1.2:80"] = 0 })
    rounds(2)
    lu.assertEquals(weights, { ["192.168.1.1:80"] = 5, ["192.168.1.2:80"] = 3 })
end

function TestCheck.test_a_drained_server_is_not_taken_out()
    weights["192.168.1.1:80"] = 0
    sick["192.168.1.1:80"] = "refused"
    rounds(5)
    lu.assertEquals(lines, {})
    lu.assertNil(io.open(PATH))
    -- It has failed often enough for whoever gives it a weight now.
    weights["192.168.1.1:80"] = 4
    rounds(1)
    lu.assertEquals(weights["192.168.1.1:80"], 0)
    sick = {}
    rounds(2)
    lu.assertEquals(weights["192.168.1.1:80"], 4)
end

function TestCheck.test_one_that_is_drained_just_now()
    local set_weight = lb.set_weight
    function lb.set_weight(...)
        weights["192.168.1.1:80"] = 0
        return set_weight(...)
    end
    sick["192.168.1.1:80"] = "refused"
    rounds(2)
    sick = {}
    rounds(5)
    lu.assertEquals(weights["192.168.1.1:80"], 0)
end

function TestCheck.test_a_server_that_is_deleted_while_it_is_out()
    sick["192.168.1.1:80"] = "refused"
    rounds(2)
    -- Once it is only not listed.
    weights["192.168.1.1:80"] = nil
    rounds(1)
    lu.assertEquals(content(PATH), "192.168.1.1:80 of " .. SERVICE .. " 5\n")
    rounds(1)
    lu.assertEquals(content(PATH), "")
    weights["192.168.1.1:80"], sick = 0, {}
    rounds(5)
    lu.assertEquals(weights["192.168.1.1:80"], 0)
end

function TestCheck.test_one_that_is_not_listed_now_and_then_is_not_forgotten()
    sick["192.168.1.1:80"] = "refused"
    rounds(2)
    for _ = 1, 3 do
        weights["192.168.1.1:80"] = nil
        rounds(1)
        weights["192.168.1.1:80"] = 0
        rounds(1)
    end
    sick = {}
    rounds(2)
    lu.assertEquals(weights["192.168.1.1:80"], 5)
end

function TestCheck.test_what_cannot_be_remembered_stays_in_and_is_said_once()
    sick["192.168.1.1:80"] = "refused"
    start("/nonexistent/weights")
    rounds(60)
    lu.assertEquals(weights["192.168.1.1:80"], 5)
    local said = "192.168.1.1:80 of tcp://10.0.0.1:80: down (refused), but /nonexistent/weights.new: "
    lu.assertEquals(lines, { said .. "No such file or directory" })
    -- The same trouble is said again when it was over meanwhile.
    sick = {}
    rounds(1)
    sick["192.168.1.1:80"] = "refused"
    rounds(2)
    lu.assertEquals(#lines, 2)
end

function TestCheck.test_a_full_disk_leaves_the_file_as_it_was()
    sick["192.168.1.1:80"] = "refused"
    rounds(2)
    assert(os.execute("ln -s /dev/full " .. PATH .. ".new"))
    sick["192.168.1.2:80"] = "refused"
    rounds(60)
    lu.assertEquals(weights, { ["192.168.1.1:80"] = 0, ["192.168.1.2:80"] = 3 })
    lu.assertEquals(content(PATH), "192.168.1.1:80 of " .. SERVICE .. " 5\n")
    lu.assertEquals(#lines, 2)
    lu.assertStrContains(lines[2], PATH .. ".new: No space left on device")
    os.remove(PATH .. ".new")
    rounds(1)
    lu.assertEquals(weights["192.168.1.2:80"], 0)
    sick = {}
    rounds(2)
    lu.assertEquals(weights, { ["192.168.1.1:80"] = 5, ["192.168.1.2:80"] = 3 })
end

function TestCheck.test_a_memory_that_cannot_be_read_is_not_an_empty_one()
    sick["192.168.1.1:80"] = "refused"
    start("/")
    rounds(5)
    lu.assertEquals(weights["192.168.1.1:80"], 5)
    lu.assertEquals(#lines, 1)
    lu.assertStrContains(lines[1], "no check: ")
end

function TestCheck.test_a_weight_that_cannot_be_set_is_tried_again()
    sick["192.168.1.1:80"] = "refused"
    local set_weight = lb.set_weight
    function lb.set_weight() return nil, "permission denied" end
    rounds(60)
    lu.assertEquals(lines, { "192.168.1.1:80 of " .. SERVICE .. ": down (refused), but permission denied" })
    lb.set_weight = set_weight
    rounds(1)
    lu.assertEquals(weights["192.168.1.1:80"], 0)
    function lb.set_weight() return nil, "permission denied" end
    sick = {}
    rounds(60)
    lu.assertEquals(lines[3], "192.168.1.1:80 of " .. SERVICE .. ": up, but permission denied")
    lu.assertEquals(#lines, 3)
    lb.set_weight = set_weight
    rounds(1)
    lu.assertEquals(weights["192.168.1.1:80"], 5)
end

-- Done, but the answer did not come.
function TestCheck.test_a_weight_of_which_nobody_knows_whether_it_was_set()
    sick["192.168.1.1:80"] = "refused"
    local set_weight = lb.set_weight
    function lb.set_weight(...)
        set_weight(...)
        return nil, "timed out"
    end
    rounds(2)
    lb.set_weight, sick = set_weight, {}
    rounds(2)
    lu.assertEquals(weights["192.168.1.1:80"], 5)
end

function TestCheck.test_an_error_in_asking_is_no_end_of_it()
    local asked = 0
    for _ = 1, 5 do
        checker:round(now, function(server)
            if server.id == "192.168.1.1:80" then
                asked = asked + 1
                error("no more sockets", 0)
            end
        end)
    end
    lu.assertEquals(asked, 5)
    lu.assertEquals(weights["192.168.1.1:80"], 5)
    lu.assertEquals(lines, { "192.168.1.1:80 of " .. SERVICE .. ": no more sockets" })
end

function TestCheck.test_an_error_in_a_round_is_no_end_of_it()
    local snapshot = lb.snapshot
    function lb.snapshot() error("no more memory", 0) end
    rounds(5)
    checker:round(function() error("no more tasks", 0) end, ask)
    lb.snapshot, sick["192.168.1.1:80"] = snapshot, "refused"
    checker:round(function() error("no more tasks", 0) end, ask)
    rounds(2)
    lu.assertEquals(weights["192.168.1.1:80"], 0)
    local down = "192.168.1.1:80 of " .. SERVICE .. " is down: refused"
    lu.assertEquals(lines, { "no more memory", "no more tasks", down })
end

function TestCheck.test_a_server_that_is_being_asked_is_not_asked_again()
    local waiting = {}
    for _ = 1, 3 do
        checker:round(function(call)
            local task = coroutine.wrap(call)
            task()
            waiting[#waiting + 1] = task
        end, function() return coroutine.yield() end)
    end
    lu.assertEquals(#waiting, 2)
    for _, task in ipairs(waiting) do
        task("refused")
    end
    rounds(1)
    lu.assertEquals(weights, { ["192.168.1.1:80"] = 5, ["192.168.1.2:80"] = 3 })
end

-- Nothing is kept of servers that come and go.
function TestCheck.test_nothing_grows()
    for number = 1, 100 do
        lb_with { [("192.168.1.%d:80"):format(number)] = 5 }
        checker.lb = lb
        rounds(1)
        checker:round(now, function() return "refused" end)
        checker:round(now, function() error("boom", 0) end)
    end
    lb_with {}
    checker.lb = lb
    rounds(2)
    local known = 0
    for _, each in pairs { checker.out, checker.absences, checker.asked, checker.streaks, checker.troubles } do
        for _ in pairs(each) do
            known = known + 1
        end
    end
    lu.assertEquals(known, 0)
end

os.exit(lu.LuaUnit.run())
