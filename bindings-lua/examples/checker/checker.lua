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
local function say(...) io.stderr:write("checker: ", string.format(...), "\n") end

-- Probes: each is a coroutine that yields the socket it waits for, and says why the server is not well, or nothing.

local function connect(server, check)
    local host, port = server.id:match "^%[?(.-)%]?:(%d+)$"
    local connection = host:find(":", 1, true) and socket.tcp6() or socket.tcp()
    connection:settimeout(0)
    local _, why = connection:connect(host, check.port or port)
    if why == "timeout" then
        coroutine.yield(connection, "writes")
        _, why = connection:connect(host, check.port or port)
    end
    return connection, why ~= "already connected" and why or nil
end

local probes = {}

function probes.tcp(server, check)
    local connection, why = connect(server, check)
    connection:close()
    return why
end

function probes.http(server, check)
    local connection, why = connect(server, check)
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
        unistd.execp(check.program, { host, check.port or port })
        unistd._exit(127)
    end
    while true do
        local pid, how, status = posix_wait.wait(child, posix_wait.WNOHANG)
        if pid ~= 0 then return status ~= 0 and ("%s %s"):format(how, status) or nil end
        if coroutine.yield() == "stop" then
            return posix_signal.kill(child, posix_signal.SIGKILL), posix_wait.wait(child)
        end
    end
end

-- Runs the probes of all pools at once, each for so many seconds at most, and gives what each says to `result`.
local function probe(pools, result)
    local waiting = {}
    for _, pool in ipairs(pools) do
        local finish = socket.gettime() + (pool.check.timeout or 1)
        for _, server in ipairs(pool.settings.servers) do
            local thread = coroutine.create(function() return probes[pool.check.kind](server, pool.check) end)
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

-- Says what was done to the table, and why.
local function report(reason, applied, err)
    applied = applied or err.applied or { done = {}, other_writers = {} }
    for _, command in ipairs(applied.done) do say("%s: %s", reason, ipvs.format_rule(command)) end
    for _, other in ipairs(applied.other_writers) do say("%s (%d) writes this table too", other.name, other.process) end
    if err then say("%s: %s", reason, err) end
end

local function id_of(service) return type(service) == "table" and service.id or service end

local function tell(pool, changes, why)
    for _, event in ipairs(changes.events) do say("%s: %s%s", pool.name, event.message, why and ": " .. why or "") end
    return changes
end

-- Reads the file. What is wrong with it is an error before anything is done.
local function load_file(path)
    local config, taken = assert(loadfile(path))(), {}
    for number, settings in ipairs(config.pools) do
        local check = settings.check
        assert(probes[check.kind], ("check: '%s' is none of tcp, http and script"):format(check.kind))
        for _, service in ipairs(settings.services) do
            assert(not taken[id_of(service)], "a service is in one pool only, once")
            taken[id_of(service)] = true
        end
        settings.check = nil
        local name = id_of(settings.services[1])
        config.pools[number] = { name = name, settings = settings, check = check, policy = ipvs.pool(settings) }
    end
    return config
end

-- Starts pools. What is known of those of before stays known; services that are gone are deleted.
local function begin(pools, before)
    local known, gone, scope = {}, {}, {}
    for _, pool in ipairs(before) do
        known[pool.name] = pool.policy
        for _, service in ipairs(pool.settings.services) do gone[id_of(service)] = true end
    end
    for _, pool in ipairs(pools) do
        local policy = known[pool.name]
        if policy then tell(pool, policy:set_config(pool.settings)) end
        pool.policy = policy or pool.policy
        report(policy and "reload" or "start", lb[policy and "reconcile" or "adopt"](lb, pool.policy))
        for _, service in ipairs(pool.settings.services) do gone[id_of(service)] = nil end
    end
    for id in pairs(gone) do scope[#scope + 1] = id end
    report("reload", lb:apply({}, { scope = scope }))
end

local function drain(pools, seconds)
    local drains = {}
    for _, pool in ipairs(pools) do
        for _, service in ipairs(pool.settings.services) do
            for server in lb:destinations(service) or function() end do
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
local ended, hangup
posix_signal.signal(posix_signal.SIGTERM, function() ended = true end)
posix_signal.signal(posix_signal.SIGHUP, function() hangup = true end)

begin(config.pools, {})
while not ended do
    local start = socket.gettime()
    probe(config.pools, function(pool, server, why)
        local changes = tell(pool, pool.policy:checked(server, not why), why)
        if #changes.events > 0 then report(changes.events[1].message, lb:follow(pool.policy, changes)) end
    end)
    for _, pool in ipairs(config.pools) do report("drift", lb:reconcile(pool.policy)) end
    if hangup then
        hangup = false
        local ok, new = pcall(load_file, path)
        if not ok then say("%s", new) else begin(new.pools, config.pools) config = new end
    end
    if not ended then socket.sleep(math.max(0, (config.interval or 1) - (socket.gettime() - start))) end
end
say "draining"
drain(config.pools, config.drain or 30)
lock:close()
