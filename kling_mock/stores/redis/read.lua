-- Returns the present, the system time, the clock, and for each part of ARGV the values of its keys.

local function task(id)
    local found = call('HMGET', task_key(id), 'record', 'plan', 'version', 'polls', 'unanswered', 'times', 'attempts',
        'faults', 'expiry')
    if not found[1] or is_expired(found[9]) then
        return false
    end
    found[9] = nil
    return found
end

local function tasks(ids)
    local found = {}
    for _, id in ipairs(ids) do
        local each = task(id)
        if each then
            found[#found + 1] = each
        end
    end
    return found
end

-- The ids of a page of several sorted sets together, newest first.
local function merged(keys, first, size)
    local found, total = {}, 0
    for _, key in ipairs(keys) do
        total = total + call('ZCARD', key)
    end
    if first >= total then
        return {}
    end
    for _, key in ipairs(keys) do
        local pairs_of = call('ZREVRANGE', key, 0, first + size - 1, 'WITHSCORES')
        for at = 1, #pairs_of, 2 do
            found[#found + 1] = {pairs_of[at], tonumber(pairs_of[at + 1])}
        end
    end
    table.sort(found, function(one, other) return one[2] > other[2] end)
    local ids = {}
    for at = first + 1, math.min(first + size, #found) do
        ids[#ids + 1] = found[at][1]
    end
    return ids
end

local READS = {
    task = function()
        return task(argument())
    end,
    external = function()
        local id = external(argument(), argument())
        return id and task(id)
    end,
    totals = function()
        settle()
        return call('HMGET', PREFIX .. argument(), 'created', 'unfinished', 'units')
    end,
    peak = function()
        return call('HGET', PREFIX .. argument(), 'peak')
    end,
    window = function()
        return call('HGET', WINDOWS, argument())
    end,
    page = function()
        local keys = {}
        for _ = 1, tonumber(argument()) do
            keys[#keys + 1] = PREFIX .. argument()
        end
        local first, size = tonumber(argument()), tonumber(argument())
        if #keys == 1 then
            return tasks(call('ZREVRANGE', keys[1], first, first + size - 1))
        end
        return tasks(merged(keys, first, size))
    end,
    -- Tasks after a place in the order, and the place after which to go on, or false at the end.
    tasks = function()
        local key, after, limit = PREFIX .. argument(), argument(), tonumber(argument())
        local found = call('ZRANGEBYSCORE', key, '(' .. after, '+inf', 'WITHSCORES', 'LIMIT', 0, limit)
        local ids = {}
        for at = 1, #found, 2 do
            ids[#ids + 1] = found[at]
        end
        return {tasks(ids), #ids == limit and found[#found]}
    end,
    -- The version, the number of all uses, and the changes since the version and number that the caller knows.
    scripts = function()
        local known, used = argument(), argument()
        local version, number = field(8), field(9)
        local rules, uses = false, {}
        if version ~= known then
            rules = call('HVALS', RULES)
            uses = call('HGETALL', USES)
        elseif number ~= used then
            for _, id in ipairs(call('ZRANGEBYSCORE', USED_AT, '(' .. used, '+inf')) do
                uses[#uses + 1] = id
                uses[#uses + 1] = call('HGET', USES, id)
            end
        end
        return {version, number, rules, uses}
    end,
    rule = function()
        return call('HGET', USES, argument())
    end,
    attempts = function()
        local id, change = argument(), argument()
        return task(id) and attempts_at(id, change)
    end,
    token = function()
        return call('ZSCORE', TOKENS, argument())
    end,
    clock = function()
        return call('HGET', STATE, 'jumps')
    end,
    -- Calls after an entry, and the entry after which to go on, or false at the end.
    calls = function()
        local all, account, after, limit = argument() == 'all', argument(), argument(), tonumber(argument())
        local found, entries = {}, call('XRANGE', CALLS, '(' .. after, '+', 'COUNT', limit)
        for _, entry in ipairs(entries) do
            local fields = entry[2]
            if all or fields[8] == account then
                found[#found + 1] = fields[2]
            end
        end
        return {found, #entries == limit and entries[#entries][1]}
    end,
    ticket = function()
        return call('HINCRBY', PREFIX .. 'counters', argument(), 1)
    end,
}

local problem = begin()
if problem then
    return problem
end
return each_part(function(last)
    local values = {}
    while position < last do
        values[#values + 1] = READS[argument()]()
    end
    return values
end)
