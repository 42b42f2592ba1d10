-- The health check of the examples, the same in every proxy: what failures and successes in a row come to. How a server
-- is asked is the proxy's own business.
--
-- A server that fails `fall` times gets the weight 0. Once it has answered `rise` times, it gets its weight again. The
-- weights of servers that are out are in a memory which has to outlive the proxy. All others are left alone: one with
-- the weight 0 that is not in there was drained by somebody who wants it so.

local check = {}
check.__index = check

-- A trouble of the round is none of a server's.
local ROUND = "the round"

-- `lb` is a client of the module. `memory` has two functions, read(), which returns a weight for each name, and
-- set(name, weight or nil); both return `nil, err` if they cannot. `log` takes a text.
function check.new(lb, memory, rise, fall, log)
    return setmetatable({
        lb = lb,
        memory = memory,
        rise = rise,
        fall = fall,
        log = log,
        out = {},
        absences = {},
        asked = {},
        streaks = {},
        troubles = {},
    }, check)
end

-- Asks all servers. `spawn` calls a function, at once or later; `ask` takes a server and returns what is wrong with it,
-- or nil. Nothing is raised: a proxy would end its task, and nobody would check any more.
function check:round(spawn, ask)
    local _, trouble = pcall(function()
        local servers, err = self:servers()
        -- All at once: those that do not answer hold nobody up.
        for _, server in ipairs(servers or {}) do
            if not self.asked[server.name] then spawn(function() self:try(server, ask) end) end
        end
        return err
    end)
    self:note_trouble(ROUND, trouble and tostring(trouble))
end

function check:try(server, ask)
    self.asked[server.name] = true
    local _, trouble = pcall(function() return self:note(server, ask(server)) end)
    self.asked[server.name] = nil
    self:note_trouble(server.name, trouble and server.name .. ": " .. tostring(trouble))
end

-- Logs what could not be done, once and not in every round. nil says that it is over.
function check:note_trouble(name, text)
    if text and text ~= self.troubles[name] then self.log(text) end
    self.troubles[name] = text
end

-- All servers that can be asked by TCP, and what could not be done.
function check:servers()
    local services, err = self.lb:snapshot()
    if not services then return nil, "no check: " .. err end
    -- Each time: in a reload, the process before this one goes on for a while, and may take a server out.
    local out
    out, err = self.memory.read()
    if not out then return nil, "no check: " .. err end
    self.out = out
    local servers, names = {}, { [ROUND] = true }
    for _, service in ipairs(services) do
        for _, destination in ipairs(service.destinations) do
            -- A port of 0 is the client's.
            if service.protocol == "tcp" and destination.port ~= 0 then
                local name = destination.id .. " of " .. service.id
                names[name] = true
                servers[#servers + 1] = {
                    name = name,
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
    return servers, self:forget_others(names)
end

-- Who deletes a server and adds it again means the weight that it has then.
function check:forget_others(names)
    for _, known in ipairs { self.streaks, self.troubles } do
        for name in pairs(known) do
            if not names[name] then known[name] = nil end
        end
    end
    local absences, trouble = {}, nil
    for name in pairs(self.out) do
        if not names[name] then
            absences[name] = (self.absences[name] or 0) + 1
            -- Once does not count: a table that others change may be listed without an entry that is there.
            if absences[name] > 1 then trouble = select(2, self:remember(name, nil)) or trouble end
        end
    end
    self.absences = absences
    return trouble
end

-- Takes in what came of asking a server: `fault` is what is wrong with it, or nil. Returns what could not be done.
function check:note(server, fault)
    local name, weight = server.name, self.out[server.name]
    local is_out = weight ~= nil
    if is_out == (fault ~= nil) then
        self.streaks[name] = nil
        -- Somebody gave it a weight while it was out: that is what it gets when it is back.
        return is_out and server.weight ~= 0 and self:take_out(server, fault) or nil
    end
    self.streaks[name] = (self.streaks[name] or 0) + 1
    if self.streaks[name] < (is_out and self.rise or self.fall) then return nil end
    if is_out then return self:put_back(server, weight) end
    -- One that was drained stays so when it answers again.
    if server.weight ~= 0 then return self:take_out(server, fault) end
end

function check:take_out(server, fault)
    -- Remembered first: it must never have the weight 0 with nobody who knows why. If then the weight cannot be set, or
    -- nobody knows whether it was, the next rounds find out.
    local before, err = self:remember(server.name, server.weight)
    if before then before, err = self.lb:set_weight(server.service, server.id, 0) end
    if not before then return ("down (%s), but %s"):format(fault, tostring(err)) end
    self.streaks[server.name] = nil
    self.log(("%s is down: %s"):format(server.name, fault))
    -- Somebody has set another weight since the server was listed, or drained it.
    return select(2, self:remember(server.name, before ~= 0 and before or nil))
end

function check:put_back(server, weight)
    local done, err = true, nil
    if server.weight == 0 then done, err = self.lb:set_weight(server.service, server.id, weight) end
    if done then done, err = self:remember(server.name, nil) end
    if not done then return "up, but " .. tostring(err) end
    self.streaks[server.name] = nil
    self.log(server.name .. " is up")
end

-- What could not be written is not known here either.
function check:remember(name, weight)
    if self.out[name] == weight then return true end
    local written, err = self.memory.set(name, weight)
    if not written then return nil, err end
    self.out[name] = weight
    return true
end

-- A memory in a file. The user that the proxy runs as has to be allowed to write in its folder.
function check.file_memory(path)
    local memory = {}

    function memory.read()
        local file, err, errno = io.open(path)
        -- ENOENT: nothing was ever written.
        if not file then
            if errno == 2 then return {} end
            return nil, err
        end
        local text
        text, err = file:read("*a")
        file:close()
        if not text then return nil, err end
        local weights = {}
        for name, weight in text:gmatch("([^\n]*) (%d+)\n") do
            weights[name] = tonumber(weight)
        end
        return weights
    end

    function memory.set(name, weight)
        local weights, err = memory.read()
        if not weights then return nil, err end
        weights[name] = weight
        local lines = {}
        for each, its_weight in pairs(weights) do
            lines[#lines + 1] = ("%s %d\n"):format(each, its_weight)
        end
        -- The file is the old one or the new one, never a half.
        local file
        file, err = io.open(path .. ".new", "w")
        if not file then return nil, err end
        local written, write_err = file:write(table.concat(lines))
        -- What was written may fail only here, on a full disk.
        local closed, close_err = file:close()
        if not (written and closed) then return nil, path .. ".new: " .. (write_err or close_err) end
        return os.rename(path .. ".new", path)
    end

    return memory
end

return check
