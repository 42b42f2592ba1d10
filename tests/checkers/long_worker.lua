-- What long_worker.py does, from Lua. Its argument is the period in seconds.
local ipvs = require "ipvs"
local time = require "posix.time"

local SCOPE, SERVICES, DESTINATIONS = "10.1.0.0/24", 10, 10
-- Rounds between two loads of rules; nanoseconds between two rounds.
local LOAD, PAUSE = 20, 200000000

local period = tonumber(arg[1])
local lb = assert(ipvs.connect())
local took = { listing = {}, load = {}, weight = {}, yardstick = {} }

local function now()
    local at = time.clock_gettime(time.CLOCK_MONOTONIC)
    return at.tv_sec + at.tv_nsec / 1e9
end

-- The last destination of each differs from one load to the next.
local function rules(last)
    local lines = {}
    for number = 1, SERVICES do
        local service = ("-t 10.1.0.%d:80"):format(number)
        lines[#lines + 1] = ("-A %s -s rr"):format(service)
        for destination = 1, DESTINATIONS do
            local byte = destination < DESTINATIONS and destination or DESTINATIONS + last
            lines[#lines + 1] = ("-a %s -r 172.16.%d.%d:8080 -m -w 5"):format(service, number, byte)
        end
    end
    return table.concat(lines, "\n")
end

local function load_rules(last)
    -- What was under way when the module went is done the next time.
    for _ = 1, 3 do
        local applied = assert(lb:apply(rules(last), { scope = SCOPE }))
        if applied.is_done then return applied end
    end
    error "three loads in a row were not done"
end

-- What is none of ours: it takes longer only if the machine or the kernel does.
local function yardstick()
    for _ = 1, 20 do
        local file = assert(io.open "/proc/net/dev")
        file:read "*a"
        file:close()
    end
end

-- What the fastest tenth took at most.
local function quick(times)
    table.sort(times)
    return times[math.floor(#times / 10) + 1]
end

local number, ending = 0, now() + period
while true do
    number = number + 1
    local nth = number % SERVICES + 1
    local start = now()
    local ok, err = lb:set_weight(("tcp://10.1.0.%d:80"):format(nth), ("172.16.%d.1:8080"):format(nth), number % 100)
    if ok then
        table.insert(took.weight, now() - start)
    else
        -- The table is lost with the module.
        if err.kind ~= "no_such_service" and err.kind ~= "no_such_destination" then error(err.message) end
        load_rules(0)
    end
    start = now()
    yardstick()
    table.insert(took.yardstick, now() - start)
    start = now()
    assert(lb:snapshot())
    table.insert(took.listing, now() - start)
    if number % LOAD == 0 then
        start = now()
        load_rules(math.floor(number / LOAD) % 2)
        table.insert(took.load, now() - start)
    end
    if now() >= ending then
        ending = ending + period
        local words = {}
        for _, kind in ipairs { "yardstick", "weight", "listing", "load" } do
            words[#words + 1] = ("%s=%.0f"):format(kind, quick(took[kind]) * 1e6)
            took[kind] = {}
        end
        print(table.concat(words, " "))
        io.stdout:flush()
    end
    time.nanosleep { tv_sec = 0, tv_nsec = PAUSE }
end
