-- Apply, pools, drains, watches, sync role and lock against the real kernel, in a namespace of its own.

local ipvs = require "ipvs"
local lu = require "luaunit"
local witness = require "witness"

local WEB = "tcp://10.0.0.1:80"
local FIRST, SECOND, SORRY = "192.168.1.1:80", "192.168.1.2:80", "192.168.1.99:80"
local RULES = "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 192.168.1.1:80 -m -w 1\n"
local lb = ipvs.assert(ipvs.connect())

local function real(id, weight)
    return { id = id, forwarding = "masquerade", weight = weight }
end

local function rules()
    local saved = witness.rules()
    table.sort(saved)
    return saved
end

local function events(changes)
    local names = {}
    for _, event in ipairs(changes.events) do names[#names + 1] = event.event end
    return table.concat(names, " ")
end

TestPolicy = {}

function TestPolicy.setUp()
    ipvs.assert(lb:flush())
end

function TestPolicy.test_apply()
    local plan = ipvs.assert(lb:plan(RULES))
    lu.assertEquals({ #plan.additions, #plan.removals, plan.additions[1][1] }, { 2, 0, "add_service" })
    lu.assertEquals(rules(), {})
    local applied = ipvs.assert(lb:apply(RULES))
    lu.assertEquals({ applied.is_changed, #applied.done }, { true, 2 })
    lu.assertIsFalse(ipvs.assert(lb:apply(RULES)).is_changed)
    -- A snapshot is a table too, and may be changed.
    local snapshot = ipvs.assert(lb:snapshot())
    lu.assertIsFalse(ipvs.assert(lb:apply(snapshot)).is_changed)
    snapshot[1].destinations[1].weight = 9
    snapshot[1].destinations[2] = real(SECOND)
    snapshot[2] = { id = "fwmark:7", destinations = {} }
    lu.assertEquals(#ipvs.assert(lb:apply(snapshot)).done, 3)
    -- And so is one that reaches its items through a metatable, as one that nobody may change.
    local function read_only(list)
        return setmetatable({}, { __index = list, __newindex = error })
    end
    snapshot[1].destinations = read_only(snapshot[1].destinations)
    lu.assertIsFalse(ipvs.assert(lb:apply(read_only(snapshot))).is_changed)
    -- Within a scope nothing else is touched.
    ipvs.assert(lb:apply({}, { scope = { "fwmark:1-9", "10.9.0.0/16" } }))
    lu.assertEquals(rules(), {
        "-A -t 10.0.0.1:80 -s rr", "-a -t 10.0.0.1:80 -r 192.168.1.1:80 -m -w 9",
        "-a -t 10.0.0.1:80 -r 192.168.1.2:80 -m -w 1",
    })
    local current = ipvs.assert(lb:current_table "10.0.0.0/24")
    lu.assertEquals({ #current, current[1].id, #current[1].destinations }, { 1, WEB, 2 })
    lu.assertEquals({ #ipvs.assert(lb:current_table()), ipvs.assert(lb:current_table {}) }, { 1, {} })
    local result, err = lb:apply "-A -t 10.0.0.2:80\n-A -t 10.0.0.3:80 -s nosuch"
    lu.assertNil(result)
    lu.assertEquals({ err.kind, #err.applied.done, #err.applied.failed, #err.applied.not_sent },
        { "no_such_scheduler", 1, 1, 1 })
    result, err = lb:apply("-A -t 10.0.0.4:80\n-A -t 10.0.0.3:80 -s nosuch", { rollback = true })
    lu.assertNil(result)
    lu.assertEquals({ err.applied.is_done, err.applied.rollback.is_done }, { false, true })
    lu.assertEquals(ipvs.format_rule(err.applied.rollback.done[1]), "-D -t 10.0.0.4:80")
    lu.assertEquals(#rules(), 4)
    lu.assertEquals(select(2, lb:apply "-A -f 7\n-A -f 7").line, 2)
    lu.assertStrContains(select(2, lb:apply "").message, "there is no rule, which would delete everything")
    lu.assertErrorMsgContains("bad argument to 'apply' (scope: the service tcp://10.0.0.1:80 is not in it",
        function() lb:apply(RULES, { scope = "fwmark:1-9" }) end)
    lu.assertErrorMsgContains("bad argument #1 to 'apply' (number 1: service: the field 'id' is missing)",
        function() lb:apply { {} } end)
end

function TestPolicy.test_a_pool()
    local pool = ipvs.assert(ipvs.pool {
        services = { { id = WEB, scheduler = "wrr" } },
        servers = { real(FIRST, 5), real(SECOND) },
        sorry_server = real(SORRY),
        fall = 2,
    })
    lu.assertIsTrue(ipvs.assert(lb:adopt(pool)).is_changed)
    lu.assertEquals(events(pool:checked(FIRST, false)), "")
    local changes = pool:checked(FIRST, false)
    lu.assertEquals(events(changes), "server_down")
    lu.assertEquals({ changes.events[1].server, changes.events[1].message },
        { FIRST, "server 192.168.1.1:80 is down" })
    ipvs.assert(lb:follow(pool, changes))
    lu.assertEquals(rules(), { "-A -t 10.0.0.1:80 -s wrr", "-a -t 10.0.0.1:80 -r 192.168.1.2:80 -m -w 1" })
    pool:checked(SECOND, false)
    changes = pool:checked(SECOND, false)
    lu.assertEquals(events(changes), "server_down quorum_lost")
    ipvs.assert(lb:follow(pool, changes))
    lu.assertIsFalse(pool:has_quorum())
    lu.assertEquals(rules()[2], "-a -t 10.0.0.1:80 -r 192.168.1.99:80 -m -w 1")
    changes = pool:checked(FIRST, true)
    lu.assertEquals(events(changes), "server_up quorum_gained")
    ipvs.assert(lb:follow(pool, changes))
    ipvs.assert(lb:follow(pool, pool:set_weight(FIRST, 7)))
    lu.assertEquals(rules()[2], "-a -t 10.0.0.1:80 -r 192.168.1.1:80 -m -w 7")
    lu.assertEquals(pool:servers(),
        { { id = FIRST, is_up = true, weight = 7 }, { id = SECOND, is_up = false, weight = 1 } })
    -- Drift is repaired.
    lu.assertIsFalse(ipvs.assert(lb:reconcile(pool)).is_changed)
    ipvs.assert(lb:delete_destination(WEB, FIRST))
    lu.assertEquals(ipvs.assert(lb:reconcile(pool)).done[1][1], "add_destination")
    -- A restart goes on.
    local web = { { id = WEB, scheduler = "wrr" } }
    local again = ipvs.assert(ipvs.pool { services = web, servers = { real(FIRST, 5) } })
    lu.assertIsFalse(ipvs.assert(lb:adopt(again)).is_changed)
    lu.assertEquals(again:servers()[1].weight, 7)
    lu.assertEquals(again:state(), "quorum up\n192.168.1.1:80 up 7\n")
    again:adopt_state "192.168.1.1:80 down -\n"
    lu.assertEquals(#again:table()[1].destinations, 0)
    lu.assertIsFalse(again:has_quorum())
    again:adopt_state "quorum up\n192.168.1.1:80 up 7\n"
    lu.assertEquals(events(again:set_config { services = { { id = WEB, scheduler = "wrr" } } }), "quorum_lost")
    local inhibited = { sorry_server = real(SORRY), sorry_server_inhibit = true }
    inhibited.services, inhibited.servers = web, { real(FIRST) }
    again:set_config(inhibited)
    lu.assertEquals(again:table()[1].destinations[2].weight, 0)
    for message, call in pairs {
        ["services: number 1: service: '10.0.0.1' is not an id"] =
            function() ipvs.pool { services = { "10.0.0.1" } } end,
        ["pool: the field 'services' is missing"] = function() ipvs.pool {} end,
        ["there is no field 'qourum'"] = function() ipvs.pool { services = { WEB }, qourum = 1 } end,
        ["hysteresis: 1 is not below the quorum 1"] = function() ipvs.pool { services = { WEB }, hysteresis = 1 } end,
        ["bad argument to 'checked' (server: the pool has no server 192.168.1.9:80)"] =
            function() pool:checked("192.168.1.9:80", true) end,
        ["is_well: a boolean is needed, not number"] = function() pool:checked(FIRST, 1) end,
        ["'checked' is a method of a pool: write pool:checked(...)"] = function() pool.checked(FIRST, true) end,
        ["bad argument #1 to 'follow' (pool: a pool is needed, not table)"] = function() lb:follow({}, changes) end,
        ["bad argument to 'adopt_state' (state: 'x' is no line of a pool's state)"] =
            function() again:adopt_state "x" end,
    } do
        lu.assertErrorMsgContains(message, call)
    end
end

function TestPolicy.test_ranges_of_services()
    lu.assertEquals(ipvs.service_ids "udp://[2001:db8::9-a]:53", { "udp://[2001:db8::9]:53", "udp://[2001:db8::a]:53" })
    lu.assertErrorMsgContains("bad argument to 'service_ids' (range: 'fwmark:9-7' ends before it begins)",
        function() ipvs.service_ids "fwmark:9-7" end)
end

function TestPolicy.test_a_drain()
    ipvs.assert(lb:apply(RULES))
    local drain = ipvs.assert(lb:drain(WEB, FIRST))
    lu.assertEquals(ipvs.assert(drain:step()), {
        state = "drained", active_connections = 0, inactive_connections = 0, persistent_connections = 0,
    })
    lu.assertEquals(rules(), { "-A -t 10.0.0.1:80 -s rr" })
    lu.assertEquals(select(2, lb:drain(WEB, FIRST)).kind, "no_such_destination")
    -- With a connection it waits, and may be cancelled.
    ipvs.assert(lb:apply "-A -u 127.0.0.2:5353\n-a -u 127.0.0.2:5353 -r 127.0.0.1:5353 -m -w 4\n")
    os.execute("/bin/bash -c 'printf hello >/dev/udp/127.0.0.2/5353' 2>/dev/null")
    drain = ipvs.assert(lb:drain("udp://127.0.0.2:5353", "127.0.0.1:5353", { deadline = 60 }))
    local progress = ipvs.assert(drain:step())
    lu.assertEquals({ progress.state, progress.inactive_connections }, { "waiting", 1 })
    lu.assertEquals({ drain:cancel(), drain:cancel() }, { true, false })
    lu.assertEquals(ipvs.assert(drain:step()).state, "cancelled")
    lu.assertEquals(rules()[2], "-a -u 127.0.0.2:5353 -r 127.0.0.1:5353 -m -w 4")
    drain = ipvs.assert(lb:drain("udp://127.0.0.2:5353", "127.0.0.1:5353", { deadline = 0 }))
    lu.assertEquals(ipvs.assert(drain:step()).state, "deadline-passed")
end

function TestPolicy.test_a_watch()
    ipvs.assert(lb:apply(RULES))
    local look = ipvs.assert(lb:watch())
    lu.assertEquals(look(), {})
    ipvs.assert(lb:set_weight(WEB, FIRST, 0))
    ipvs.assert(lb:add_service "fwmark:7")
    local changes = ipvs.assert(look())
    lu.assertEquals(changes[1].message, "changed 192.168.1.1:80 of tcp://10.0.0.1:80: weight 1 -> 0")
    lu.assertEquals({ changes[1].change, changes[1].service, changes[1].destination, changes[1].fields },
        { "destination_changed", WEB, FIRST, { { field = "weight", before = "1", after = "0" } } })
    lu.assertEquals({ changes[2].change, changes[2].settings.scheduler }, { "service_added", "wlc" })
    ipvs.assert(lb:flush())
    lu.assertEquals({ #look(), #look() }, { 2, 0 })
end

function TestPolicy.test_the_sync_role()
    local backup = { role = "backup", interface = "lo" }
    lu.assertIsTrue(lb:set_sync_role(backup))
    lu.assertIsFalse(lb:set_sync_role(backup))
    lu.assertIsTrue(lb:set_sync_role { role = "master", interface = "lo" })
    lu.assertEquals(#witness.lines "-L --daemon", 1)
    lu.assertIsTrue(lb:set_sync_role())
    lu.assertEquals(lb:daemons(), {})
end

function TestPolicy.test_the_lock()
    local lock = ipvs.assert(lb:lock())
    local other = ipvs.assert(ipvs.connect())
    local none, err = other:lock()
    lu.assertNil(none)
    lu.assertEquals(err.kind, "locked")
    lu.assertStrContains(err.message, "this process looks after the pools of this network namespace already")
    lock:close()
    ipvs.assert(other:lock()):close()
    lu.assertEquals(lb:other_writers(), {})
end

os.exit(lu.LuaUnit.run())
