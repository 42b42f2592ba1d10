-- Keeps each error that the tests meet for the page of all messages: `make messages` names it in LUA_INIT.
-- What a function returns can be seen by a hook since Lua 5.4, in the main coroutine only.

local path = assert(os.getenv "IPVS_MESSAGES")

local function keep(text)
    local place = debug.getinfo(4, "Sl")
    local file = assert(io.open(path, "a"))
    file:write(("Lua\t%s:%d\t%s\n"):format(place.short_src, place.currentline, text:sub(1, 500):gsub("\n", " ")))
    file:close()
end

debug.sethook(function()
    local info = debug.getinfo(2, "Sr")
    if info.ntransfer < 2 then return end
    local _, result = debug.getlocal(2, info.ftransfer)
    local _, err = debug.getlocal(2, info.ftransfer + 1)
    if result == nil and type(err) == "table" and err.kind then
        keep(err.message)
    elseif info.what == "C" and result == false and type(err) == "string" then
        keep(err)
    end
end, "r")
