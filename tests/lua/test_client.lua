-- The client against the real kernel, in a namespace of its own; each test begins with an empty table.

local ipvs = require "ipvs"
local lu = require "luaunit"

local WEB = "tcp://10.0.0.1:80"
local lb = assert(ipvs.connect())

-- What Debian's ipvsadm saves: its rules, one an element.
local function witness()
    local rules = {}
    local pipe = assert(io.popen("/usr/sbin/ipvsadm -S -n"))
    for line in pipe:lines() do
        rules[#rules + 1] = line:gsub("%s+$", "")
    end
    assert(pipe:close())
    return rules
end

TestClient = {}

function TestClient.setUp()
    assert(lb:flush())
end

function TestClient.test_info()
    local info = assert(lb:info())
    local pipe = assert(io.popen("/usr/sbin/ipvsadm -Ln"))
    local expected = ("IP Virtual Server version %s (size=%d)"):format(info.version, info.connection_table_size)
    lu.assertEquals(pipe:read(), expected)
    pipe:close()
end

function TestClient.test_services()
    assert(lb:add_service { id = WEB, scheduler = "wrr" })
    assert(lb:add_service { id = "udp://[2001:db8::1]:53" })
    lu.assertItemsEquals(witness(), { "-A -t 10.0.0.1:80 -s wrr", "-A -u [2001:db8::1]:53 -s wlc" })
    lu.assertEquals(#assert(lb:services()), 2)
    assert(lb:edit_service { id = WEB, scheduler = "rr" })
    local entry = assert(lb:service(WEB))
    lu.assertEquals(entry.id, WEB)
    lu.assertEquals(entry.scheduler, "rr")
    lu.assertEquals(math.type(entry.stats.connections), "integer")
    lu.assertEquals(entry.stats.connections, 0)
    assert(lb:delete_service(entry))
    assert(lb:delete_service "udp://[2001:db8::1]:53")
    lu.assertEquals(witness(), {})
end

function TestClient.test_destinations()
    assert(lb:add_service { id = WEB, scheduler = "wrr" })
    assert(lb:add_destination(WEB, { address = "192.168.1.10:8080", forwarding = "masquerade", weight = 5 }))
    lu.assertEquals(witness()[2], "-a -t 10.0.0.1:80 -r 192.168.1.10:8080 -m -w 5")
    local listed = assert(lb:destinations { id = WEB })
    lu.assertEquals(#listed, 1)
    lu.assertEquals(listed[1].address, "192.168.1.10:8080")
    lu.assertEquals(listed[1].forwarding, "masquerade")
    lu.assertEquals(listed[1].weight, 5)
    lu.assertEquals(listed[1].active_connections, 0)
    assert(lb:edit_destination(WEB, { address = "192.168.1.10:8080", forwarding = "masquerade", weight = 0 }))
    lu.assertEquals(witness()[2], "-a -t 10.0.0.1:80 -r 192.168.1.10:8080 -m -w 0")
    assert(lb:delete_destination(WEB, listed[1]))
    lu.assertEquals(assert(lb:destinations(WEB)), {})
end

function TestClient.test_expected_failures_are_values()
    local done, err = lb:delete_service(WEB)
    lu.assertNil(done)
    lu.assertEquals(err.kind, "no_such_service")
    lu.assertEquals(err.errno, 3)
    lu.assertEquals(err.operation, "delete_service")
    lu.assertEquals(err.object, WEB)
    lu.assertEquals(err.message, "cannot delete service tcp://10.0.0.1:80: there is no such service")
    lu.assertEquals(tostring(err), err.message)
    lu.assertIsNil(select(2, lb:add_service { id = WEB }))
    lu.assertEquals(select(2, lb:add_service { id = WEB }).kind, "service_exists")
end

function TestClient.test_wrong_arguments_are_raised()
    lu.assertErrorMsgContains("'10.0.0.1:80' is not an id", lb.delete_service, lb, "10.0.0.1:80")
    lu.assertErrorMsgContains("service: a string or a table is needed, not boolean", lb.delete_service, lb, true)
    lu.assertErrorMsgContains("service: the field 'id' is missing", lb.add_service, lb, {})
    lu.assertErrorMsgContains("there is no field 'wieght'; there are address, forwarding, weight",
        lb.add_destination, lb, WEB, { address = "192.168.1.10:80", wieght = 5 })
    lu.assertErrorMsgContains("weight", lb.add_destination, lb, WEB, { address = "192.168.1.10:80", weight = "heavy" })
    lu.assertErrorMsgContains("weight: 2147483648 is above 2147483647",
        lb.add_destination, lb, WEB, { address = "192.168.1.10:80", weight = 2147483648 })
    lu.assertErrorMsgContains("'nat' is none of masquerade, tunnel, direct-route and local-node",
        lb.add_destination, lb, WEB, { address = "192.168.1.10:80", forwarding = "nat" })
    lu.assertErrorMsgContains("timeout", ipvs.connect, { timeout = -1 })
    lu.assertEquals(witness(), {})
end

os.exit(lu.LuaUnit.run())
