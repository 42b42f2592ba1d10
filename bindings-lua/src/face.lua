-- What callers see of the functions that are written in Rust: those return `wrong, result, err`, and never raise. Here
-- `wrong` becomes an error with the caller's line, and an expected failure `nil, err`. Runs on every Lua from 5.1 on.

local error, select, setmetatable, tostring, type = error, select, setmetatable, tostring, type

local face = {}

-- A function: `result`, or `nil, err`.
function face.call(raw)
    return function(...)
        local wrong, result, err = raw(...)
        if wrong then error(wrong, 2) end
        if result == nil then return nil, err end
        return result
    end
end

-- A function whose result is the next step of a loop.
function face.loop(raw)
    return function(...)
        local wrong, steps, err = raw(...)
        if wrong then error(wrong, 2) end
        if steps == nil then return nil, err end
        local step = steps.step
        return function()
            local broken, item = step()
            if broken then error(broken, 2) end
            return item
        end, nil, nil, setmetatable({}, { __close = steps.close })
    end
end

local failure = {}

function failure:__tostring()
    return self.message
end

function failure.__concat(left, right)
    return tostring(left) .. tostring(right)
end

-- An `err`: a table that prints as its message.
function face.failure(fields)
    return setmetatable(fields, failure)
end

-- `assert` for Lua 5.1 and 5.2, whose own takes no message but a string.
function face.assert(...)
    local result, err = ...
    if result then return ... end
    if select("#", ...) < 2 then err = "assertion failed!" end
    error(type(err) == "table" and tostring(err) or err, 2)
end

return face
