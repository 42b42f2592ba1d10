-- The health check of the examples, the same in every proxy: what failures and successes in a row come to. How a server
-- is asked is the proxy's own business.
--
-- A server that fails `fall` times gets the weight 0. Once it has answered `rise` times, it gets its weight again. The
-- weights of servers that are out are in a memory which has to outlive the proxy's reload. All others are left alone:
-- one with the weight 0 that is not in there was drained by somebody who wants it so.

local check = {}
check.__index = check

-- `lb` is a client of the module. `memory` has two functions, get(name), and set(name, weight or nil), which returns
-- `nil, err` if it cannot remember. `log` takes a text.
function check.new(lb, memory, rise, fall, log)
    return setmetatable({ lb = lb, memory = memory, rise = rise, fall = fall, log = log, streaks = {} }, check)
end

-- All servers that can be asked by TCP.
function check:servers()
    local services, err = self.lb:snapshot()
    if not services then
        -- Once, and not in every round.
        if self.trouble ~= err.message then self.log("no check: " .. err) end
        self.trouble = err.message
        return {}
    end
    self.trouble = nil
    local servers = {}
    for _, service in ipairs(services) do
        for _, destination in ipairs(service.destinations) do
            -- A port of 0 is the client's.
            if service.protocol == "tcp" and destination.port ~= 0 then
                servers[#servers + 1] = {
                    name = destination.id .. " of " .. service.id,
                    service = service.id,
                    id = destination.id,
                    -- An IPv6 address stays in its brackets, as proxies want it.
                    host = destination.id:match("^(.*):%d+$"),
                    port = destination.port,
                    weight = destination.weight,
                }
            end
        end
    end
    return servers
end

-- Takes in what came of asking a server: `fault` is what is wrong with it, or nil.
function check:note(server, fault)
    local name, weight = server.name, self.memory.get(server.name)
    local is_out = weight ~= nil
    if is_out == (fault ~= nil) then
        self.streaks[name] = nil
        -- Somebody gave it a weight while it was out: that is what it gets when it is back.
        if is_out and server.weight ~= 0 then self:take_out(server, fault) end
        return
    end
    self.streaks[name] = (self.streaks[name] or 0) + 1
    if self.streaks[name] < (is_out and self.rise or self.fall) then return end
    self.streaks[name] = nil
    if is_out then self:put_back(server, weight) else self:take_out(server, fault) end
end

function check:take_out(server, fault)
    -- Remembered first: it must never have the weight 0 with nobody who knows why.
    local remembered, err = self.memory.set(server.name, server.weight)
    if not remembered then
        self.log(("%s is down (%s) and stays in: %s"):format(server.name, fault, err))
        return
    end
    local before
    before, err = self.lb:set_weight(server.service, server.id, 0)
    -- Or it is gone from the table.
    self.memory.set(server.name, before)
    self.log(before and ("%s is down: %s"):format(server.name, fault) or tostring(err))
end

function check:put_back(server, weight)
    local before, err = server.weight, nil
    if before == 0 then before, err = self.lb:set_weight(server.service, server.id, weight) end
    if not before and err.kind ~= "no_such_service" and err.kind ~= "no_such_destination" then
        self.log(tostring(err))
        return
    end
    self.memory.set(server.name, nil)
    self.log(server.name .. " is up")
end

-- A memory in a file, for proxies that have no other that outlives a reload. It is read here, written when it changes.
function check.file_memory(path)
    local weights = {}
    local written = io.open(path)
    if written then
        for name, weight in written:read("*a"):gmatch("([^\n]*) (%d+)\n") do
            weights[name] = tonumber(weight)
        end
        written:close()
    end
    local memory = {}
    function memory.get(name)
        return weights[name]
    end
    function memory.set(name, weight)
        weights[name] = weight
        local lines = {}
        for each, its_weight in pairs(weights) do
            lines[#lines + 1] = ("%s %d\n"):format(each, its_weight)
        end
        -- The file is the old one or the new one, never a half.
        local file, err = io.open(path .. ".new", "w")
        if not file then return nil, err end
        file:write(table.concat(lines))
        file:close()
        return os.rename(path .. ".new", path)
    end
    return memory
end

return check
