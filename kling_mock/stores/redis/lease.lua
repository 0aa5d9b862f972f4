-- Extends the lease of the task ARGV[2] by ARGV[3] seconds, or takes it if no process has it; without ARGV[3], ends it.
-- A lease of another process than ARGV[1] stays. Returns 1 if there is none.

local key = PREFIX .. 'lease:' .. ARGV[2]
local holder = call('GET', key)
if holder and holder ~= ARGV[1] then
    return 0
end
if ARGV[3] then
    call('SET', key, ARGV[1], 'EX', ARGV[3])
else
    call('DEL', key)
end
return 1
