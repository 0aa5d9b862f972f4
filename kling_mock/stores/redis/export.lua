-- Returns the present, the system time, the clock, and all state at this instant.

local function account_totals(name, account)
    local found = call('HMGET', PREFIX .. name, 'created', 'units', 'peak')
    return {account, found[1] or '0', found[2] or '0', found[3] or '0'}
end

local problem = begin()
if problem then
    return problem
end
settle()
local totals = {account_totals('all', false)}
for _, account in ipairs(call('SMEMBERS', PREFIX .. 'accounts')) do
    totals[#totals + 1] = account_totals('account:' .. account, account)
end
local tasks = {}
for _, id in ipairs(call('ZRANGE', ORDER, 0, -1)) do
    local found = call('HMGET', task_key(id), 'record', 'plan', 'version', 'polls', 'unanswered', 'times', 'attempts',
        'faults')
    if found[1] then
        tasks[#tasks + 1] = found
    end
end
local calls = {}
for _, entry in ipairs(call('XRANGE', CALLS, '-', '+')) do
    calls[#calls + 1] = entry[2][2]
end
return {now_text, system_text, clock(), call('HGET', STATE, 'jumps'), call('HGETALL', PREFIX .. 'counters'),
    call('HVALS', RULES), call('HGETALL', USES), call('HVALS', WINDOWS), call('ZRANGE', TOKENS, 0, -1, 'WITHSCORES'),
    totals, tasks, calls}
