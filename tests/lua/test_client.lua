-- The client's methods against the real kernel, in a namespace of its own; each test begins with an empty table.

local ipvs = require "ipvs"
local lu = require "luaunit"
local witness = require "witness"

local WEB = "tcp://10.0.0.1:80"
local REAL = "192.168.1.10:8080"
local lb = ipvs.assert(ipvs.connect())
-- Lua 5.1 and 5.2 have only doubles.
local is_integer = math.type and function(number) return math.type(number) == "integer" end
    or function(number) return number % 1 == 0 end

local function collect(...)
    local items = {}
    for item in ipvs.assert(...) do
        items[#items + 1] = item
    end
    return items
end

TestClient = {}

function TestClient.setUp()
    ipvs.assert(lb:flush())
end

function TestClient.test_info()
    local info = ipvs.assert(lb:info())
    lu.assertEquals(witness.lines("-Ln")[1],
        ("IP Virtual Server version %s (size=%d)"):format(info.version, info.connection_table_size))
end

function TestClient.test_services()
    lu.assertIsTrue(lb:add_service { id = WEB, scheduler = "wrr" })
    lu.assertIsTrue(lb:add_service "udp://[2001:db8::1]:53")
    lu.assertItemsEquals(witness.rules(), { "-A -t 10.0.0.1:80 -s wrr", "-A -u [2001:db8::1]:53 -s wlc" })
    lu.assertEquals(#collect(lb:services()), 2)
    local entry = ipvs.assert(lb:service(WEB))
    lu.assertEquals(entry.scheduler, "wrr")
    -- What a listing says may be changed and given back.
    entry.scheduler = "rr"
    lu.assertIsTrue(lb:edit_service(entry))
    lu.assertItemsEquals(witness.rules(), { "-A -t 10.0.0.1:80 -s rr", "-A -u [2001:db8::1]:53 -s wlc" })
    lu.assertIsTrue(lb:delete_service(entry))
    lu.assertIsTrue(lb:delete_service { protocol = "udp", address = "2001:db8::1", port = 53 })
    lu.assertEquals(witness.rules(), {})
end

function TestClient.test_every_setting_of_a_service()
    for _, case in ipairs {
        { { id = WEB, persistence_timeout = 300, netmask = "255.255.255.0" },
            "-A -t 10.0.0.1:80 -s wlc -p 300 -M 255.255.255.0" },
        { { id = WEB, persistence_timeout = 300, netmask = 24 }, "-A -t 10.0.0.1:80 -s wlc -p 300 -M 255.255.255.0" },
        { { id = WEB, scheduler = "sh", scheduler_flags = { "sh-port", "flag-1" } },
            "-A -t 10.0.0.1:80 -s sh -b sh-fallback,sh-port" },
        { { id = "udp://10.0.0.1:5060", persistence_timeout = 60, persistence_engine = "sip", one_packet = true },
            "-A -u 10.0.0.1:5060 -s wlc -p 60 --pe sip -o" },
        { { fwmark = 7 }, "-A -f 7 -s wlc" },
        { { fwmark = 7, family = "ipv6", persistence_timeout = 9, netmask = 64 }, "-A -f 7 -6 -s wlc -p 9 -M 64" },
        { { protocol = "sctp", address = "10.0.0.1", port = 36412 }, "-A --sctp-service 10.0.0.1:36412 -s wlc" },
    } do
        ipvs.assert(lb:add_service(case[1]))
        local rule = witness.rules()[1]
        -- 1.31 writes one-packet scheduling in another place.
        lu.assertEquals((rule:gsub(" %-o", "") .. (rule:find(" -o", 1, true) and " -o" or "")), case[2])
        local entry = collect(lb:services())[1]
        for name, value in pairs(case[1]) do
            if name == "scheduler_flags" then
                lu.assertEquals(entry[name], { "sh-fallback", "sh-port" })
            elseif name ~= "netmask" then
                lu.assertEquals(entry[name], value, name)
            end
        end
        ipvs.assert(lb:edit_service(entry))
        lu.assertEquals(witness.rules()[1], rule)
        ipvs.assert(lb:flush())
    end
end

function TestClient.test_destinations()
    ipvs.assert(lb:add_service { id = WEB, scheduler = "wrr" })
    lu.assertIsTrue(lb:add_destination(WEB, { id = REAL, forwarding = "masquerade", weight = 5 }))
    lu.assertEquals(witness.rules()[2], "-a -t 10.0.0.1:80 -r 192.168.1.10:8080 -m -w 5")
    local listed = collect(lb:destinations { id = WEB })
    lu.assertEquals(#listed, 1)
    local real = listed[1]
    lu.assertEquals({ real.id, real.address, real.port, real.forwarding, real.weight },
        { REAL, "192.168.1.10", 8080, "masquerade", 5 })
    lu.assertEquals(real.active_connections + real.inactive_connections + real.persistent_connections, 0)
    real.upper_threshold, real.lower_threshold, real.weight = 20, 10, 3
    lu.assertIsTrue(lb:edit_destination(WEB, real))
    lu.assertEquals(witness.rules()[2], "-a -t 10.0.0.1:80 -r 192.168.1.10:8080 -m -w 3")
    lu.assertStrContains(witness.lines("-Ln --thresholds")[5], "20         10")
    -- The weight changes and nothing else.
    lu.assertEquals(lb:set_weight(WEB, REAL, 0), 3)
    real = collect(lb:destinations(WEB))[1]
    lu.assertEquals({ real.weight, real.upper_threshold, real.lower_threshold }, { 0, 20, 10 })
    lu.assertIsTrue(lb:delete_destination(WEB, real))
    lu.assertEquals(collect(lb:destinations(WEB)), {})
end

function TestClient.test_tunnels()
    ipvs.assert(lb:add_service(WEB))
    for _, tunnel in ipairs {
        { type = "ipip" }, { type = "gue", port = 5555, checksum = "remote" }, { type = "gre", checksum = "on" },
    } do
        ipvs.assert(lb:add_destination(WEB, { address = "192.168.1.10", port = 80, tunnel = tunnel }))
        local real = collect(lb:destinations(WEB))[1]
        lu.assertEquals(real.forwarding, "tunnel")
        lu.assertEquals(real.tunnel, tunnel)
        lu.assertStrContains(witness.lines("-Ln --tun-info")[5], "Tunnel  " .. tunnel.type)
        ipvs.assert(lb:edit_destination(WEB, real))
        lu.assertEquals(collect(lb:destinations(WEB))[1].tunnel, tunnel)
        ipvs.assert(lb:delete_destination(WEB, real))
    end
end

function TestClient.test_ensure_and_remove()
    lu.assertEquals(lb:ensure_service { id = WEB, scheduler = "rr" }, "created")
    lu.assertEquals(lb:ensure_service { id = WEB, scheduler = "wrr" }, "updated")
    lu.assertEquals(lb:ensure_destination(WEB, { id = REAL, weight = 1 }), "created")
    lu.assertEquals(lb:ensure_destination(WEB, { id = REAL, weight = 2 }), "updated")
    lu.assertEquals(witness.rules(), { "-A -t 10.0.0.1:80 -s wrr", "-a -t 10.0.0.1:80 -r 192.168.1.10:8080 -g -w 2" })
    lu.assertIsTrue(lb:remove_destination(WEB, REAL))
    lu.assertIsFalse(lb:remove_destination(WEB, REAL))
    lu.assertIsTrue(lb:remove_service(WEB))
    lu.assertIsFalse(lb:remove_service(WEB))
end

function TestClient.test_snapshot_and_rules()
    local rules = "-A -t 10.0.0.1:80 -s wrr\n-a -t 10.0.0.1:80 -r 192.168.1.10:8080 -m -w 5\n"
        .. "-A -f 7 -s wlc\n-a -f 7 -r 192.168.1.11:0 -g -w 1\n"
    local report = ipvs.assert(lb:restore("# a comment\n\n" .. rules))
    lu.assertEquals({ report.done, report.outcomes, report.failed }, { 4, { "done", "done", "done", "done" }, {} })
    local saved = ipvs.assert(lb:save())
    lu.assertItemsEquals(witness.rules(), { rules:match("(.-)\n(.-)\n(.-)\n(.-)\n") })
    local table_of = {}
    for _, service in ipairs(ipvs.assert(lb:snapshot())) do
        table_of[service.id] = service.destinations[1].id
    end
    lu.assertEquals(table_of, { [WEB] = REAL, ["fwmark:7"] = "192.168.1.11:0" })
    ipvs.assert(lb:restore(saved, { clear = true }))
    lu.assertEquals(lb:save(), saved)
    -- As data, and back.
    local commands = ipvs.assert(ipvs.parse_rules(rules))
    lu.assertEquals(commands[2][1], "add_destination")
    lu.assertEquals(commands[2][2], WEB)
    lu.assertEquals(commands[2][3].weight, 5)
    local lines = {}
    for _, command in ipairs(commands) do
        lines[#lines + 1] = ipvs.format_rule(command) .. "\n"
    end
    lu.assertEquals(table.concat(lines), rules)
end

function TestClient.test_batch()
    local report = ipvs.assert(lb:batch {
        { "add_service", { id = WEB, scheduler = "rr" } },
        { "add_destination", WEB, { id = REAL, forwarding = "masquerade" } },
        { "edit_destination", WEB, { id = REAL, forwarding = "masquerade", weight = 7 } },
        { "edit_service", { id = WEB, scheduler = "wrr" } },
        { "zero", WEB },
        { "zero" },
        { "set_timeouts", { udp = 299 } },
        { "start_daemon", { role = "master", interface = "lo" } },
    })
    lu.assertEquals(report.done, 8)
    lu.assertNil(report.interrupted)
    lu.assertEquals(witness.rules(), { "-A -t 10.0.0.1:80 -s wrr", "-a -t 10.0.0.1:80 -r 192.168.1.10:8080 -m -w 7" })
    lu.assertEquals(#ipvs.assert(lb:daemons()), 1)
    -- A daemon that has just begun may take its time to end.
    local result, err = lb:batch {
        { "stop_daemon", "master" },
        { "delete_destination", WEB, REAL },
        { "delete_destination", WEB, REAL },
        { "delete_service", WEB },
        { "delete_service", WEB },
        { "flush" },
    }
    lu.assertNil(result)
    lu.assertEquals(err.kind, "no_such_destination")
    lu.assertEquals(err.report.outcomes, { "done", "done", "failed", "done", "failed", "done" })
    lu.assertEquals({ err.report.failed[1].position, err.report.failed[2].position }, { 3, 5 })
    lu.assertEquals(err.report.failed[2].error.message,
        "cannot delete service tcp://10.0.0.1:80: there is no such service")
    lu.assertEquals(witness.rules(), {})
    lu.assertEquals(ipvs.assert(lb:batch {}).done, 0)
end

function TestClient.test_a_large_batch_and_listing()
    local commands = { { "add_service", WEB } }
    for host = 1, 3000 do
        local id = ("10.1.%d.%d:80"):format(math.floor(host / 250), host % 250 + 1)
        commands[#commands + 1] = { "add_destination", WEB, { id = id, weight = host } }
    end
    lu.assertEquals(ipvs.assert(lb:batch(commands)).done, 3001)
    local weights = 0
    for real in ipvs.assert(lb:destinations(WEB)) do
        weights = weights + real.weight
    end
    lu.assertEquals(weights, 3000 * 3001 / 2)
    lu.assertEquals(#witness.rules(), 3001)
end

function TestClient.test_a_refused_line_is_named()
    local result, err = lb:restore("-A -t 10.0.0.1:80\n# again\n-A -t 10.0.0.1:80\n")
    lu.assertNil(result)
    lu.assertEquals({ err.kind, err.report.failed[1].line, err.report.failed[1].position }, { "service_exists", 3, 2 })
end

function TestClient.test_timeouts_and_settings()
    lu.assertIsTrue(lb:set_timeouts { tcp = 901, udp = 301 })
    lu.assertIsTrue(lb:set_timeouts { tcp_fin = 121 })
    lu.assertEquals(lb:timeouts(), { tcp = 901, tcp_fin = 121, udp = 301 })
    lu.assertEquals(witness.lines("-L --timeout"), { "Timeout (tcp tcpfin udp): 901 121 301" })
    for name, value in pairs { conntrack = true, drop_entry = 1, sync_threshold = { 4, 60 } } do
        lu.assertIsTrue(lb:set_setting(name, value))
        lu.assertEquals(lb:setting(name), value)
        lu.assertEquals(ipvs.assert(lb:settings())[name], value)
        lu.assertIsString(ipvs.SETTINGS[name])
    end
    lu.assertIsTrue(lb:set_setting("conntrack", 0))
    -- A result that is false is no failure.
    lu.assertIsFalse(lb:setting "conntrack")
    lu.assertEquals(select(2, lb:setting "timeout_close").kind, "no_such_setting")
end

function TestClient.test_daemons()
    lu.assertIsTrue(lb:start_daemon {
        role = "backup", interface = "lo", sync_id = 7, max_length = 1400, group = "224.0.0.82", port = 9000, ttl = 2,
    })
    local daemon = ipvs.assert(lb:daemons())[1]
    lu.assertEquals(daemon, {
        role = "backup", interface = "lo", sync_id = 7, max_length = 1400, group = "224.0.0.82", port = 9000, ttl = 2,
    })
    lu.assertStrContains(witness.lines("-L --daemon")[1], "backup sync daemon (mcast=lo, syncid=7")
    lu.assertIsTrue(lb:stop_daemon "backup")
    lu.assertEquals(lb:daemons(), {})
    lu.assertEquals(select(2, lb:stop_daemon "backup").kind, "no_such_daemon")
end

-- The director asks its own service: traffic in one namespace.
function TestClient.test_connections_and_counters()
    ipvs.assert(lb:add_service { id = "udp://127.0.0.2:5353", scheduler = "rr", persistence_timeout = 50 })
    ipvs.assert(lb:add_destination("udp://127.0.0.2:5353", { id = "127.0.0.1:5353", forwarding = "masquerade" }))
    for _ = 1, 3 do
        os.execute("/bin/bash -c 'printf hello >/dev/udp/127.0.0.2/5353' 2>/dev/null")
    end
    local connections = collect(lb:connections())
    local seen, template = 0, nil
    for _, connection in ipairs(connections) do
        lu.assertEquals(connection.virtual, { address = "127.0.0.2", port = 5353 })
        lu.assertEquals(connection.destination, { address = "127.0.0.1", port = 5353 })
        lu.assertEquals(connection.protocol, "udp")
        lu.assertIsTrue(is_integer(connection.expires) and connection.expires > 0)
        if connection.client.port == 0 then template = connection else seen = seen + 1 end
    end
    lu.assertEquals(seen, 3)
    lu.assertEquals(template.state, "NONE")
    lu.assertEquals(#witness.lines("-Lnc"), 2 + #connections)
    local service
    for _ = 1, 60 do
        service = ipvs.assert(lb:service "udp://127.0.0.2:5353")
        if service.stats.packets_in == 3 then break end
        os.execute("sleep 0.1")
    end
    lu.assertEquals({ service.stats.connections, service.stats.packets_in, service.stats.bytes_in }, { 3, 3, 99 })
    lu.assertIsTrue(is_integer(service.stats.bytes_in))
    lu.assertIsTrue(ipvs.assert(lb:total_stats()).packets_in >= 3)
    lu.assertIsTrue(lb:zero "udp://127.0.0.2:5353")
    lu.assertEquals(ipvs.assert(lb:service "udp://127.0.0.2:5353").stats.packets_in, 0)
    lu.assertIsTrue(lb:zero())
end

function TestClient.test_overview()
    ipvs.assert(lb:add_service { id = WEB, scheduler = "wrr", persistence_timeout = 60 })
    ipvs.assert(lb:add_destination(WEB, { id = REAL, forwarding = "masquerade", weight = 5 }))
    lu.assertEquals(ipvs.assert(ipvs.overview()), {
        {
            id = WEB, scheduler = "wrr", persistent = true, one_packet = false,
            destinations = {
                { id = REAL, forwarding = "masquerade", weight = 5, active_connections = 0, inactive_connections = 0 },
            },
        },
    })
end

function TestClient.test_another_namespace()
    os.execute("ip netns add lua-blue")
    local blue = ipvs.assert(ipvs.connect { netns = "lua-blue", timeout = 2.5 })
    lu.assertIsTrue(blue:add_service "fwmark:7")
    lu.assertEquals(witness.rules(), {})
    lu.assertEquals(#collect(blue:services()), 1)
    blue:close()
    os.execute("ip netns delete lua-blue")
    local none, err = ipvs.connect { netns = "lua-blue" }
    lu.assertNil(none)
    lu.assertEquals({ err.kind, err.errno, err.operation }, { "namespace", 2, "connect" })
end

os.exit(lu.LuaUnit.run())
