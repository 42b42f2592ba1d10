-- Apache's mod_lua: a web service for the IPVS table of this machine. `lvs.conf` beside this calls it. Apache has no
-- tasks in the background, and so there is no health check here.

local ipvs = require "ipvs"
local lvs_service = require "lvs_service"

-- No socket yet: it is opened with the first operation.
local lb = ipvs.assert(ipvs.connect { timeout = 1 })

-- For `LuaMapHandler`. mod_lua takes a global of this name for what is to be called.
function handle(request)
    -- The first argument would be a file. A longer body is nothing, as none is.
    local sent = request:requestbody(nil, lvs_service.BODY_MAX) or ""
    local status, body, headers = lvs_service.answer(lb, request.method, sent)
    request.status = status
    request.content_type = headers["content-type"]
    request.headers_out.allow = headers.allow
    request:write(body)
    return apache2.OK
end
