-- Compares the preconditions of each change in ARGV, and writes its records if they hold. Returns the present, the
-- system time, the clock, and for each change the number of the first precondition that failed, or 0.

-- The number of expired tasks or tokens dropped for each new one: more than 1, so that none accumulate.
local DROPPED_AT_ONCE = 2

local VERSIONS = {
    task = function()
        return version_of_task(argument())
    end,
    external = function()
        local id = external(argument(), argument())
        local version = id and version_of_task(id) or ''
        return version == 'expired' and '' or version
    end,
    totals = function()
        return call('HGET', PREFIX .. argument(), 'created') or '0'
    end,
    window = function()
        local window = call('HGET', WINDOWS, argument())
        return window and string.match(window, '^%d+') or '0'
    end,
    scripts = function()
        return field(8)
    end,
    rule = function()
        return call('HGET', USES, argument()) or '0'
    end,
    attempts = function()
        local id, change = argument(), argument()
        local version = version_of_task(id)
        return (version == '' or version == 'expired') and '' or attempts_at(id, change)
    end,
    clock = function()
        return field(7)
    end,
}

-- Count a task as unfinished until its end as known at present.
local function track(id, ends, expiry)
    call('ZADD', OPEN, expiry, id)
    if ends ~= '' and tonumber(ends) <= now then
        close(id)
    elseif ends == '' then
        call('ZREM', ENDS, id)
    else
        call('ZADD', ENDS, ends, id)
    end
end

local function drop_expired_tasks()
    for _, id in ipairs(call('ZRANGE', ORDER, 0, DROPPED_AT_ONCE - 1)) do
        local expiry = call('HGET', task_key(id), 'expiry')
        if expiry and not is_expired(expiry) then
            return
        end
        drop_task(id)
    end
end

local function drop_expired_tokens(retention)
    local found = call('ZRANGE', TOKENS, 0, DROPPED_AT_ONCE - 1, 'WITHSCORES')
    for at = 1, #found, 2 do
        if tonumber(found[at + 1]) + retention > now then
            return
        end
        call('ZREM', TOKENS, found[at])
    end
end

-- Account for the new end of a task. The new fields are written between `settle` and `track`.
local function change_end(id, changes)
    local key = task_key(id)
    local task = call('HMGET', key, 'account', 'n', 'units', 'failed', 'end', 'expiry')
    if is_expired(task[6]) then -- the totals of expired tasks do not change
        call('HSET', key, unpack(changes))
        return
    end
    settle()
    if not call('ZSCORE', OPEN, id) then -- the task had ended; by its new plan it may not have
        count(task[1], 0, tonumber(task[2]), returned(task[3], task[4], task[5], task[6]))
    end
    call('HSET', key, unpack(changes))
    track(id, call('HGET', key, 'end'), task[6])
end

local function append(key, field, text)
    local before = call('HGET', key, field)
    call('HSET', key, field, before and before .. ',' .. text or text)
end

local function change_scripts()
    call('HINCRBY', STATE, 'scripts', 1)
    state = nil
end

local WRITES = {
    new_task = function()
        local id, account, operation, external_id = argument(), argument(), argument(), argument()
        local record, plan, expiry, n, units = argument(), argument(), argument(), argument(), argument()
        local ends, counted, failed, has_callback = argument(), argument(), argument(), argument()
        drop_expired_tasks()
        settle()
        local ends_at = instant_of_end(ends, counted, '')
        call('HSET', task_key(id), 'record', record, 'plan', plan, 'version', '0', 'account', account, 'operation',
            operation, 'expiry', expiry, 'n', n, 'units', units, 'ends', ends, 'counted', counted, 'failed', failed,
            'end', ends_at)
        local order = call('HINCRBY', STATE, 'order', 1)
        call('ZADD', ORDER, order, id)
        call('ZADD', PREFIX .. 'tasks:' .. account, order, id)
        call('ZADD', PREFIX .. 'operation:' .. account .. ':' .. operation, order, id)
        if external_id ~= '' then
            call('HSET', task_key(id), 'external', external_id)
            call('HSET', PREFIX .. 'external:' .. account, external_id, id)
        end
        call('SADD', PREFIX .. 'accounts', account)
        call('SADD', PREFIX .. 'operations:' .. account, operation)
        count(account, 1, tonumber(n), tonumber(units))
        track(id, ends_at, expiry)
        if has_callback == '1' then
            call('HSET', task_key(id), 'callback', '1')
            publish('created', id)
        end
    end,
    plan = function()
        local id, plan, ends, counted, failed = argument(), argument(), argument(), argument(), argument()
        local key = task_key(id)
        call('HINCRBY', key, 'version', 1)
        local ends_at = instant_of_end(ends, counted, call('HGET', key, 'times') or '')
        change_end(id, {'plan', plan, 'ends', ends, 'counted', counted, 'failed', failed, 'end', ends_at})
        publish('task', id)
    end,
    poll = function()
        local id, at, counter = argument(), argument(), argument()
        local key = task_key(id)
        local task = call('HMGET', key, 'version', counter, 'callback', 'times', 'ends', 'counted', 'end')
        local changes = {'version', task[1] + 1, counter, (task[2] or 0) + 1}
        if task[3] then
            publish('queried', id)
        end
        if at == '' then
            call('HSET', key, unpack(changes))
            return
        end
        local times = task[4] and task[4] .. ',' .. at or at
        call('HSET', key, 'times', times, unpack(changes))
        local ends_at = instant_of_end(task[5], task[6], times)
        if ends_at ~= task[7] then
            change_end(id, {'end', ends_at})
        end
    end,
    fault = function()
        local key = task_key(argument())
        call('HINCRBY', key, 'version', 1)
        call('HSET', key, 'faults', argument())
    end,
    attempt = function()
        local id = argument()
        call('HINCRBY', task_key(id), 'attempts:' .. argument(), 1)
        append(task_key(id), 'attempts', argument())
        local lease = PREFIX .. 'lease:' .. id
        if call('GET', lease) == ARGV[1] then -- another process may make an attempt at present
            call('DEL', lease)
        end
        publish('task', id)
    end,
    rule = function()
        call('HSET', RULES, argument(), argument())
        change_scripts()
    end,
    drop_rule = function()
        drop_rule(argument())
        change_scripts()
    end,
    use = function()
        add_uses(argument(), argument())
    end,
    window = function()
        call('HSET', WINDOWS, argument(), argument())
    end,
    token = function()
        call('ZADD', TOKENS, 'NX', argument(), argument())
        drop_expired_tokens(tonumber(argument()))
    end,
    clock = function()
        local reading = argument()
        call('HSET', STATE, 'reading', reading, 'since', argument(), 'speed', argument(), 'version', argument(), 'jumps',
            argument(), 'latest', exact(math.max(now, tonumber(reading))))
        state = nil
        publish('clock', '')
    end,
    call = function()
        local entry, size, limit, account = argument(), argument(), argument(), argument()
        add_call(entry, size, tonumber(limit), account, ARGV[1])
    end,
}

local problem = begin()
if problem then
    return problem
end

-- Write a change, which ends at the argument `last`. Returns the number of the first precondition that failed, or 0.
return each_part(function(last)
    for number = 1, tonumber(argument()) do
        local version = argument()
        if VERSIONS[argument()]() ~= version then
            return number
        end
    end
    while position < last do
        WRITES[argument()]()
    end
    return 0
end)
