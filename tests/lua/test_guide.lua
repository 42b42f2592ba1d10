-- What `docs/lua.md` shows works as it stands, and the two columns of its last table do the same.

local ipvs = require "ipvs"
local lu = require "luaunit"
local witness = require "witness"

local file = assert(io.open "../../docs/lua.md")
local GUIDE = file:read "*a"
file:close()

-- Lua 5.1 and 5.2 read the guide as it tells them to.
local assert = (_VERSION > "Lua 5.2" or rawget(_G, "jit")) and assert or ipvs.assert
local compile = loadstring or load

-- A program of the guide's, that sees `names` besides the language's own and prints nothing.
local function run(program, names)
    local chunk = ("local assert, print, %s = ... ; %s"):format(table.concat(names.order, ", "), program)
    local values = {}
    for place, name in ipairs(names.order) do
        values[place] = names[name]
    end
    local unpack = table.unpack or unpack
    assert(compile(chunk, "=docs/lua.md"))(assert, function() end, unpack(values, 1, #names.order))
end

-- All that Debian's ipvsadm shows of the namespace.
local function state()
    local parts = {}
    for _, options in ipairs { "-S -n", "-L -n --thresholds", "-L -n --tun-info", "-L --timeout", "-L --daemon" } do
        parts[#parts + 1] = table.concat(witness.lines(options), "\n")
    end
    return table.concat(parts, "\n")
end

local function begin(lb)
    assert(lb:restore("-A -t 10.0.0.1:80 -s wrr\n-a -t 10.0.0.1:80 -r 192.168.1.10:8080 -m -w 5\n", { clear = true }))
    assert(lb:set_timeouts { tcp = 901, tcp_fin = 121, udp = 301 })
    lb:stop_daemon "master"
end

TestGuide = {}

function TestGuide.test_the_snippets_run_one_after_another()
    local lb = assert(ipvs.connect())
    begin(lb)
    assert(lb:flush())
    local snippets = {}
    for snippet in GUIDE:gmatch "\n```lua\n(.-)\n```" do
        snippets[#snippets + 1] = snippet
    end
    lu.assertIsTrue(#snippets >= 11)
    run(table.concat(snippets, "\n"), { order = { "ipvs" }, ipvs = ipvs })
    lu.assertItemsEquals(witness.rules(), {
        "-A -t 10.0.0.1:80 -s wlc -p 300",
        "-a -t 10.0.0.1:80 -r 192.168.1.10:8080 -m -w 5",
        "-a -t 10.0.0.1:80 -r 192.168.1.11:8080 -m -w 0",
        "-A -u [2001:db8::1]:53 -s wlc -o",
        "-a -u [2001:db8::1]:53 -r [2001:db8::a]:53 -m -w 1",
        "-A -f 7 -s wlc",
    })
    lu.assertEquals(assert(lb:timeouts()).tcp, 1800)
end

function TestGuide.test_a_call_does_what_the_command_does()
    local lb = assert(ipvs.connect())
    local count = 0
    for command, call in GUIDE:gmatch "\n| `ipvsadm ([^`]+)` | `(lb:[^`]+)` |" do
        begin(lb)
        local before = state()
        witness.lines(command)
        local theirs = state()
        begin(lb)
        run("assert(" .. call .. ")", { order = { "lb", "web" }, lb = lb, web = "tcp://10.0.0.1:80" })
        lu.assertEquals(state(), theirs, call)
        lu.assertIsTrue(theirs ~= before or command == "-Z", command)
        count = count + 1
    end
    lu.assertEquals(count, select(2, GUIDE:gsub("\n| `ipvsadm ", "")))
    lu.assertEquals(count, 15)
end

-- Every kind that an error can have is in the guide's table.
function TestGuide.test_the_kinds_are_those_of_the_library()
    local source = assert(io.open "../../core/src/error.rs")
    local text = source:read "*a"
    source:close()
    local names = text:match "pub fn name%(&self%) %-> &'static str {%s+match self {%s+Self::ServiceExists(.-)\n    }"
    local kinds = 0
    for kind in names:gmatch '"([a-z_]+)"' do
        -- That one is raised.
        if kind ~= "invalid_argument" then lu.assertStrContains(GUIDE, "`" .. kind .. "`") end
        kinds = kinds + 1
    end
    lu.assertIsTrue(kinds > 20)
end

os.exit(lu.LuaUnit.run())
