-- What Debian's ipvsadm says of this network namespace.

local witness = {}

-- The lines that it prints.
function witness.lines(arguments)
    local lines = {}
    local pipe = assert(io.popen("/usr/sbin/ipvsadm " .. arguments))
    for line in pipe:lines() do
        lines[#lines + 1] = (line:gsub("%s+$", ""))
    end
    pipe:close()
    return lines
end

-- The rules that it saves.
function witness.rules()
    return witness.lines("-S -n")
end

return witness
