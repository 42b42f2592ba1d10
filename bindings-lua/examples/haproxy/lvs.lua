-- HAProxy: a web service and a health check for the IPVS table of this machine. `haproxy.cfg` beside this loads it.

local ipvs = require "ipvs"
local lvs_check = require "lvs_check"
local lvs_service = require "lvs_service"

local INTERVAL = 1 -- seconds between two checks of a server
local TIMEOUT = 1 -- seconds for a server to accept a connection
local RISE, FALL = 2, 2
-- The weights of servers that are out. HAProxy's user has to be allowed to write in this folder.
local MEMORY = "/var/lib/lvs/haproxy/weights"

-- No socket yet: each process opens its own with its first operation, after HAProxy has forked.
local lb = ipvs.assert(ipvs.connect { timeout = 1 })

-- What `receive` returns may be a part, even if more is asked for.
local function request_body(applet)
    local body = ""
    repeat
        local part = applet:receive(lvs_service.BODY_MAX)
        body = body .. part
    until part == "" or #body > lvs_service.BODY_MAX
    return body
end

core.register_service("lvs", "http", function(applet)
    local status, body, headers = lvs_service.answer(lb, applet.method, request_body(applet))
    applet:set_status(status)
    for name, value in pairs(headers) do
        applet:add_header(name, value)
    end
    applet:add_header("content-length", #body)
    applet:start_response()
    if applet.method ~= "HEAD" then applet:send(body) end
end)

local memory = lvs_check.file_memory(MEMORY)
local checker = lvs_check.new(lb, memory, RISE, FALL, function(text) core.Warning("lvs: " .. text) end)

-- What is wrong with a server, or nil.
local function ask(server)
    local socket = core.tcp()
    socket:settimeout(TIMEOUT)
    local connected, err = socket:connect(server.host, server.port)
    socket:close()
    return not connected and (err or "no answer") or nil
end

local function watch()
    -- After a reload, the process before lives on until its last connection ends, and its tasks with it.
    while core.get_info().Stopping ~= 1 do
        checker:round(core.register_task, ask)
        core.sleep(INTERVAL)
    end
end

-- `lua-load-per-thread` runs this file once for each thread, numbered from 1; `lua-load` once, as number 0.
if core.thread <= 1 then core.register_task(watch) end
