-- Runs a program in an interpreter of its own, of the same Lua as this one.
local program = {}

-- What it printed until its end, errors too, and at last its exit status.
function program.output(text)
    local name = os.tmpname()
    local file = assert(io.open(name, "w"))
    file:write(text)
    file:close()
    local interpreter = rawget(_G, "jit") and "luajit" or "lua" .. _VERSION:match "%d%.%d"
    local pipe = assert(io.popen(("%s %s 2>&1; echo $?"):format(interpreter, name)))
    local said = pipe:read "*a"
    pipe:close()
    os.remove(name)
    return said
end

return program
