#!/usr/bin/env lua5.3
-- A health checker for pools of real servers, as a whole program: TCP, HTTP and script probes, quorum, sorry server. On
-- SIGHUP it reads its file again, on SIGTERM it drains its servers and ends; killed and started again, it goes on where
-- it was. Its argument is a file: see checker.conf.lua. Needs luaposix and luasocket, which Debian has up to Lua 5.3.

local ipvs = require "ipvs"
local posix_signal = require "posix.signal"
local posix_wait = require "posix.sys.wait"
local socket = require "socket"
local unistd = require "posix.unistd"

local lb = assert(ipvs.connect { timeout = 5 })

local function say(...)
    io.stderr:write("checker: ", string.format(...), "\n")
end

-- Probes: each is a coroutine that yields the socket it waits for, and says why the server is not well, or nothing.

local function connect(server)
    local host, port = server.id:match "^%[?(.-)%]?:(%d+)$"
    local connection = host:find(":", 1, true) and socket.tcp6() or socket.tcp()
    connection:settimeout(0)
    local _, why = connection:connect(host, port)
    if why == "timeout" then
        coroutine.yield(connection, "writes")
        _, why = connection:connect(host, port)
    end
    return connection, why ~= "already connected" and why or nil
end

local probes = {}

function probes.tcp(server)
    local connection, why = connect(server)
    connection:close()
    return why
end

function probes.http(server, check)
    local connection, why = connect(server)
    local line, part
    if not why then
        connection:send(("GET %s HTTP/1.0\r\nHost: %s\r\n\r\n"):format(check.path or "/", check.host or server.id))
        repeat
            coroutine.yield(connection, "reads")
            line, why, part = connection:receive("*l", part)
        until line or why ~= "timeout"
    end
    connection:close()
    if not line then return why end
    local status = tonumber(line:match "^HTTP/%d%.%d (%d+)")
    if status ~= (check.status or 200) then return ("answered '%s'"):format(line) end
end

-- A program with the server's address and port as its arguments; exit status 0 is well.
function probes.script(server, check)
    local host, port = server.id:match "^%[?(.-)%]?:(%d+)$"
    local child = assert(unistd.fork())
    if child == 0 then
        unistd.execp(check.program, { host, port })
        unistd._exit(127)
    end
    while true do
        local pid, how, status = posix_wait.wait(child, posix_wait.WNOHANG)
        if pid ~= 0 then return status ~= 0 and ("%s %s"):format(how, status) or nil end
        if coroutine.yield() == "stop" then posix_signal.kill(child, posix_signal.SIGKILL) end
    end
end

-- Runs the probes of all pools at once, each for so many seconds at most, and gives what each says to `result`.
local function probe(pools, result)
    local waiting = {}
    for _, pool in ipairs(pools) do
        local check = pool.settings.check
        local finish = socket.gettime() + (check.timeout or 1)
        for _, server in ipairs(pool.settings.servers) do
            local thread = coroutine.create(function() return probes[check.kind](server, check) end)
            waiting[#waiting + 1] = { thread = thread, pool = pool, server = server, finish = finish }
        end
    end
    while #waiting > 0 do
        local left, reads, writes = {}, {}, {}
        for _, task in ipairs(waiting) do
            local late = socket.gettime() > task.finish
            local ok, what, side = true, task.socket, task.side
            if late or task.ready ~= false then
                ok, what, side = coroutine.resume(task.thread, late and "stop" or nil)
            end
            if coroutine.status(task.thread) == "dead" or late then
                if late and task.socket then task.socket:close() end
                result(task.pool, task.server, late and "timed out" or what)
                assert(ok, what)
            else
                task.socket, task.side, task.ready = what, side, false
                left[#left + 1] = task
                local list = side == "reads" and reads or writes
                if side then list[#list + 1] = what end
            end
        end
        waiting = left
        if #waiting == 0 then break end
        local readable, writable = socket.select(reads, writes, 0.05)
        for _, task in ipairs(waiting) do
            task.ready = not task.socket or readable[task.socket] or writable[task.socket] or false
        end
    end
end

-- What was done to the table, with its reason.
local function report(reason, applied, err)
    for _, command in ipairs((applied or err.applied or { done = {} }).done) do
        say("%s: %s", reason, ipvs.format_rule(command))
    end
    if err then say("%s: %s", reason, err) end
end

local function policy(settings)
    local known = {}
    for name, value in pairs(settings) do
        if name ~= "check" then known[name] = value end
    end
    return known
end

local function load_file(path)
    local config = assert(loadfile(path))()
    for _, settings in ipairs(config.pools) do
        assert(probes[settings.check.kind], ("check: '%s' is none of tcp, http and script"):format(settings.check.kind))
    end
    return config
end

-- Pools that have a service in common with an old one go on from what that one knows.
local function reload(config, old)
    local pools, taken = {}, {}
    for _, settings in ipairs(config.pools) do
        local name = settings.services[1]
        local pool = old[name]
        if pool then
            report("reload", lb:follow(pool.pool, pool.pool:set_config(policy(settings))))
            pool.settings = settings
        else
            pool = { pool = ipvs.pool(policy(settings)), settings = settings }
            report("start", lb:adopt(pool.pool))
        end
        pools[#pools + 1], taken[name] = pool, pool
    end
    return pools, taken
end

local function drain(pools, seconds)
    local drains = {}
    for _, pool in ipairs(pools) do
        for _, service in ipairs(pool.settings.services) do
            for _, server in ipairs(pool.settings.servers) do
                drains[#drains + 1] = lb:drain(service, server, { deadline = seconds })
            end
        end
    end
    repeat
        local waiting = 0
        for _, entry in ipairs(drains) do
            if assert(entry:step()).state == "waiting" then waiting = waiting + 1 end
        end
        socket.sleep(waiting > 0 and 0.2 or 0)
    until waiting == 0
end

local path = assert(arg[1], "usage: checker.lua FILE")
local config = load_file(path)
local lock = assert(lb:lock())
for _, other in ipairs(assert(lb:other_writers())) do
    say("%s (process %d) changes this table too: stop one of the two", other.name, other.process)
end
local ended, hangup = false, false
posix_signal.signal(posix_signal.SIGTERM, function() ended = true end)
posix_signal.signal(posix_signal.SIGHUP, function() hangup = true end)

local pools, by_name = reload(config, {})
while not ended do
    local start = socket.gettime()
    probe(pools, function(pool, server, why)
        local changes = pool.pool:checked(server, not why)
        for _, event in ipairs(changes.events) do
            say("%s%s", event.message, why and ": " .. why or "")
        end
        if #changes.events > 0 then report(changes.events[1].message, lb:follow(pool.pool, changes)) end
    end)
    for _, pool in ipairs(pools) do report("drift", lb:reconcile(pool.pool)) end
    if hangup then
        hangup = false
        local ok, new = pcall(load_file, path)
        if ok then pools, by_name = reload(new, by_name) else say("%s", new) end
    end
    if not ended then socket.sleep(math.max(0, (config.interval or 1) - (socket.gettime() - start))) end
end
say "draining"
drain(pools, config.drain or 30)
lock:close()
