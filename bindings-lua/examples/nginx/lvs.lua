-- nginx: a web service and a health check for the IPVS table of this machine. `nginx.conf` beside this calls it.

local ipvs = require "ipvs"
local lvs_check = require "lvs_check"
local lvs_service = require "lvs_service"

local INTERVAL = 1 -- seconds between two checks of a server
local TIMEOUT = 1 -- seconds for a server to accept a connection
local RISE, FALL = 2, 2
-- The weights of servers that are out. The workers' user has to be allowed to write in this folder. A dictionary that
-- the workers share would be gone when nginx is stopped, and the servers would stay out.
local MEMORY = "/var/lib/lvs/nginx/weights"

local lvs = {}

-- No socket yet: each worker opens its own with its first operation.
local lb = ipvs.assert(ipvs.connect { timeout = 1 })

-- For `content_by_lua`.
function lvs.answer()
    ngx.req.read_body()
    -- `client_max_body_size` is no more than what nginx keeps in memory: the body is never in a file.
    local status, body, headers = lvs_service.answer(lb, ngx.req.get_method(), ngx.req.get_body_data() or "")
    ngx.status = status
    for name, value in pairs(headers) do
        ngx.header[name] = value
    end
    ngx.header["content-length"] = #body
    ngx.print(body)
end

local memory = lvs_check.file_memory(MEMORY)
local checker = lvs_check.new(lb, memory, RISE, FALL, function(text) ngx.log(ngx.WARN, "lvs: ", text) end)

-- What is wrong with a server, or nil.
local function ask(server)
    local socket = ngx.socket.tcp()
    socket:settimeout(TIMEOUT * 1000)
    local connected, err = socket:connect(server.host, server.port)
    socket:close()
    return not connected and err or nil
end

local function round(is_ending)
    if not is_ending then checker:round(ngx.thread.spawn, ask) end
end

-- For `init_worker_by_lua`. One worker checks; the one that is started in its place when it dies has its number.
function lvs.start()
    if ngx.worker.id() == 0 then ngx.timer.every(INTERVAL, round) end
end

return lvs
