-- The web service of the examples, the same in every proxy: the IPVS table as JSON, and weights that can be set.
--
--   GET /lvs    the table, named as in docs/json.md
--   PUT /lvs    {"service": "tcp://10.0.0.1:80", "destination": "192.168.1.10:8080", "weight": 0}
--
-- What went wrong is {"error": {"kind": "no_such_service", "message": "cannot ..."}}, with a status of its own.

local cjson = require "cjson"

local service = {}

-- The longest request body that is read.
service.BODY_MAX = 4096

local STATUS = { no_such_service = 404, no_such_destination = 404, permission_denied = 403 }

-- What may be absent from a table of the module's, and is null in JSON.
local SERVICE_NULLS = { "protocol", "address", "port", "fwmark", "persistence_timeout", "persistence_engine" }
local DESTINATION_NULLS = { "tunnel" }
local TUNNEL_NULLS = { "port", "checksum" }

-- Not cjson's own encoder: it writes an empty list as {}, and a counter of more than 14 digits without its last ones.
local function encode(value)
    if type(value) == "number" then return ("%d"):format(value) end
    -- Nor has a slash to be written as \/.
    if type(value) ~= "table" then return (cjson.encode(value):gsub("\\/", "/")) end
    local parts = {}
    -- Here only lists can be empty.
    if next(value) == nil or value[1] ~= nil then
        for place, item in ipairs(value) do
            parts[place] = encode(item)
        end
        return "[" .. table.concat(parts, ",") .. "]"
    end
    for key, item in pairs(value) do
        parts[#parts + 1] = cjson.encode(key) .. ":" .. encode(item)
    end
    return "{" .. table.concat(parts, ",") .. "}"
end

local function fill(object, names)
    for _, name in ipairs(names) do
        if object[name] == nil then object[name] = cjson.null end
    end
end

local function answer(status, object)
    return status, encode(object) .. "\n", { ["content-type"] = "application/json", allow = "GET, HEAD, PUT" }
end

local function refuse(status, kind, message)
    return answer(status, { error = { kind = kind, message = message } })
end

local function failed(err)
    return refuse(STATUS[err.kind] or 503, err.kind, err.message)
end

local function show(lb)
    local info, err = lb:info()
    if not info then return failed(err) end
    info.services, err = lb:snapshot()
    if not info.services then return failed(err) end
    for _, entry in ipairs(info.services) do
        fill(entry, SERVICE_NULLS)
        for _, destination in ipairs(entry.destinations) do
            fill(destination, DESTINATION_NULLS)
            if destination.tunnel ~= cjson.null then fill(destination.tunnel, TUNNEL_NULLS) end
        end
    end
    return answer(200, info)
end

local function set_weight(lb, body)
    if #body > service.BODY_MAX then return refuse(413, "too_large", "the body is too large") end
    local is_json, request = pcall(cjson.decode, body)
    if not is_json or type(request) ~= "table" then
        local form = '{"service": "tcp://10.0.0.1:80", "destination": "192.168.1.10:8080", "weight": 0}'
        return refuse(400, "bad_request", "the body is no JSON object such as " .. form)
    end
    -- Arguments that make no sense are raised, with their place and name.
    local makes_sense, before, err =
        pcall(lb.set_weight, lb, request.service, request.destination, request.weight)
    if not makes_sense then return refuse(400, "bad_request", before) end
    if not before then return failed(err) end
    return answer(200, { weight = request.weight, before = before })
end

-- The answer to a request: a status, a body and headers. `lb` is a client of the module.
function service.answer(lb, method, body)
    if method == "GET" or method == "HEAD" then return show(lb) end
    if method == "PUT" then return set_weight(lb, body) end
    return refuse(405, "bad_method", "this takes GET and PUT, not " .. method)
end

return service
