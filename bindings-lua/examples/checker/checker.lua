#!/usr/bin/env lua5.3
-- A health checker for pools of real servers, as a whole program: TCP, HTTP and script probes, quorum, sorry server. On
-- SIGHUP it reads its file again, on SIGTERM it drains its servers and ends; killed and started again, it goes on where
-- it was. Its argument is a file: see checker.conf.lua. Needs luaposix and luasocket, which Debian has up to Lua 5.3.
local ipvs = require "ipvs"
local posix_signal = require "posix.signal"
local posix_wait = require "posix.sys.wait"
local socket = require "socket"
local time = require "posix.time"
local unistd = require "posix.unistd"

local lb = assert(ipvs.connect { timeout = 5 })
local function say(...) io.stderr:write("checker: ", string.format(...), "\n") end

local function now() local t = time.clock_gettime(time.CLOCK_MONOTONIC) return t.tv_sec + t.tv_nsec / 1e9 end

-- Probes: each yields while it waits, is told whether its time is over, and says why a server is not well, or nothing.

local function connect(server, check)
    local host, port = server.id:match "^%[?(.-)%]?:(%d+)$"
    local connection = host:find(":", 1, true) and socket.tcp6() or socket.tcp()
    connection:settimeout(0)
    local _, why = connection:connect(host, check.port or port)
    while why == "timeout" or why == "Operation already in progress" do
        if coroutine.yield() then return connection, "timed out" end
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
            line, why, part = connection:receive("*l", part)
            if why == "timeout" and coroutine.yield() then why = "timed out" end
        until why ~= "timeout"
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
    local pid, how, status = posix_wait.wait(child, posix_wait.WNOHANG)
    while pid == 0 do
        local is_late = coroutine.yield()
        if is_late then posix_signal.kill(child, posix_signal.SIGKILL) end
        pid, how, status = posix_wait.wait(child, is_late and 0 or posix_wait.WNOHANG)
    end
    if how == "killed" then return "timed out" end
    return status ~= 0 and ("%s %s"):format(how, status) or nil
end

-- Runs the probes of all pools at once, each for so many seconds at most, and gives what each says to `result`.
local function probe(pools, result)
    local waiting = {}
    for _, pool in ipairs(pools) do
        local finish = now() + (pool.check.timeout or 1)
        for _, server in ipairs(pool.settings.servers) do
            local thread = coroutine.create(function() return probes[pool.check.kind](server, pool.check) end)
            waiting[#waiting + 1] = { thread = thread, pool = pool, server = server, finish = finish }
        end
    end
    while #waiting > 0 do
        local left = {}
        for _, task in ipairs(waiting) do
            local ok, why = coroutine.resume(task.thread, now() > task.finish)
            if coroutine.status(task.thread) == "dead" then
                assert(ok, why)
                result(task.pool, task.server, why)
            else
                left[#left + 1] = task
            end
        end
        waiting = left
        socket.sleep(#waiting > 0 and 0.01 or 0)
    end
end

local function report(reason, applied, err)
    applied = applied or err.applied or { done = {}, other_writers = {} }
    for _, command in ipairs(applied.done) do say("%s: %s", reason, ipvs.format_rule(command)) end
    for _, other in ipairs(applied.other_writers) do say("%s (%d) may write here too", other.name, other.process) end
    if err then say("%s: %s", reason, err) end
end

local function tell(pool, changes, why)
    for _, event in ipairs(changes.events) do say("%s: %s%s", pool.name, event.message, why and ": " .. why or "") end
    return changes
end

-- Reads the file. What is wrong with it is an error before anything is done.
local function load_file(path)
    local config, taken = assert(loadfile(path))(), {}
    assert(tonumber(config.interval or 1) and tonumber(config.drain or 1), "interval, drain: a number is needed")
    for number, settings in ipairs(config.pools) do
        local check = settings.check
        assert(probes[check.kind], ("check: '%s' is none of tcp, http and script"):format(check.kind))
        assert(check.kind ~= "script" or check.program, "check: a script needs a program")
        for name, kind in pairs { status = "number", timeout = "number", port = "number", program = "string" } do
            assert(not check[name] or type(check[name]) == kind, ("check: %s: a %s is needed"):format(name, kind))
        end
        settings.check = nil
        local policy = ipvs.pool(settings)
        for _, service in ipairs(policy:table()) do
            assert(not taken[service.id], "a service is in one pool only, once")
            taken[service.id] = true
        end
        config.pools[number] = { name = policy:table()[1].id, settings = settings, check = check, policy = policy }
    end
    return config
end

-- Lets pools go on with what those of before know, and makes the table theirs. Gives what is still to be done.
local function settle(pools, before, ours)
    local known, wanted, scope = {}, {}, {}
    for _, pool in ipairs(before) do
        known[pool.name] = pool.policy
        for _, service in ipairs(pool.policy:table()) do ours[service.id] = true end
    end
    for _, pool in ipairs(pools) do
        local policy = known[pool.name]
        if policy then tell(pool, policy:set_config(pool.settings)) else report("reload", lb:adopt(pool.policy)) end
        pool.policy = policy or pool.policy
        for _, service in ipairs(pool.policy:table()) do wanted[#wanted + 1], ours[service.id] = service, true end
    end
    for id in pairs(ours) do scope[#scope + 1] = id end
    local applied, err = lb:apply(wanted, { scope = scope })
    report("reload", applied, err)
    return applied and {} or ours
end

local function drain(pools, seconds)
    local drains = {}
    for _, pool in ipairs(pools) do
        for _, service in ipairs(pool.policy:table()) do
            for server in lb:destinations(service) or function() end do
                drains[#drains + 1] = lb:drain(service, server, { deadline = seconds })
            end
        end
    end
    repeat
        local waiting = 0
        for _, entry in ipairs(drains) do
            local progress, err = entry:step()
            if err then say("drain: %s", err) elseif progress.state == "waiting" then waiting = waiting + 1 end
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

for _, pool in ipairs(config.pools) do
    local applied, err = lb:adopt(pool.policy)
    report("start", applied or assert(err.applied, err), err)
end
local undone = {}
while not ended do
    local start, before = now(), config.pools
    probe(config.pools, function(pool, server, why)
        local changes = tell(pool, pool.policy:checked(server, not why), why)
        if #changes.events > 0 then report(changes.events[1].message, lb:follow(pool.policy, changes)) end
    end)
    for _, pool in ipairs(config.pools) do report("drift", lb:reconcile(pool.policy)) end
    if hangup or next(undone) then
        local read = hangup and load_file or function() return config end
        hangup = false
        local ok, new = pcall(read, path)
        if ok then config = new else say("%s", new) end
        undone = settle(config.pools, before, undone)
    end
    if not ended then socket.sleep(math.max(0, (config.interval or 1) - (now() - start))) end
end
drain(config.pools, config.drain or 30)
lock:close()
