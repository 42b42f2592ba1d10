-- What callers see of the functions that are written in Rust: those return `wrong, result, err`, and never raise. Here
-- `wrong` becomes an error with the caller's line, and an expected failure `nil, err`. Runs on every Lua from 5.1 on.

local error, pairs, select, tostring, type = error, pairs, select, tostring, type
local getmetatable, newproxy, setmetatable = getmetatable, newproxy, setmetatable

local face = {}

-- An object that calls something when it is finalized.
local function finalized(work)
    if _VERSION ~= "Lua 5.1" then return setmetatable({}, { __gc = work }) end
    local proxy = newproxy(true)
    getmetatable(proxy).__gc = work
    return proxy
end

local function gone()
    return "it is too late to call this: Lua has finalized it already"
end

-- Functions of Rust's, which may not be called any more once Lua has finalized them. A finalizer of the program's may
-- do that all the same, when Lua ends or all is garbage together, as what was made first is finalized last. So a guard
-- is made behind them, and goes before them.
local function guarded(functions)
    functions.guard = finalized(function()
        for name in pairs(functions) do functions[name] = gone end
    end)
    return functions
end

-- A function: `result`, or `nil, err`.
function face.call(raw)
    local rust = guarded { call = raw }
    return function(...)
        local wrong, result, err = rust.call(...)
        if wrong then error(wrong, 2) end
        if result == nil then return nil, err end
        return result
    end
end

-- A function whose result is the next step of a loop.
function face.loop(raw)
    local rust = guarded { call = raw }
    return function(...)
        local wrong, steps, err = rust.call(...)
        if wrong then error(wrong, 2) end
        if steps == nil then return nil, err end
        guarded(steps)
        return function()
            local broken, item = steps.step()
            if broken then error(broken, 2) end
            return item
        end, nil, nil, setmetatable({}, { __close = function() steps.close() end })
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
