-- Drops all tasks, scripts, tokens and calls, or those of the account ARGV[2]; clock and counters stay.
-- ARGV[1] is the process.

local function clear_account(account)
    local totals = PREFIX .. 'account:' .. account
    settle()
    for _, id in ipairs(call('ZRANGE', PREFIX .. 'tasks:' .. account, 0, -1)) do
        drop_task(id)
    end
    call('HINCRBY', ALL, 'units', 0 - tonumber(call('HGET', totals, 'units') or '0')) -- Redis refuses -0
    local operations = PREFIX .. 'operations:' .. account
    call('UNLINK', totals, operations, PREFIX .. 'external:' .. account)
    call('SREM', PREFIX .. 'accounts', account)
    for _, field in ipairs(call('HKEYS', WINDOWS)) do
        if cjson.decode(field)[1] == account then
            call('HDEL', WINDOWS, field)
        end
    end
    local rules = call('HGETALL', RULES)
    for at = 1, #rules, 2 do
        if cjson.decode(rules[at + 1]).account == account then
            drop_rule(rules[at])
        end
    end
    for _, entry in ipairs(call('XRANGE', CALLS, '-', '+')) do
        if entry[2][8] == account then
            call('XDEL', CALLS, entry[1])
            call('HINCRBY', STATE, 'journal', -tonumber(entry[2][4]))
        end
    end
end

local problem = begin()
if problem then
    return problem
end
if ARGV[2] then
    clear_account(ARGV[2])
else
    clear_all()
end
call('HINCRBY', STATE, 'scripts', 1)
publish('reset', '')
return {now_text, system_text, clock()}
