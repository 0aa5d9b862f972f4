-- Replaces all state by the items in ARGV. Without 'replace' in ARGV[2], only if there are no tasks and scripts.
-- Returns the present, the system time, the clock, and whether it did. ARGV[1] is the process.

-- The process of calls that were imported, for which no listener is called.
local IMPORTED = 'import'

-- The totals of tasks by key, which are added at the end. The peaks are those of the import.
local totals = {}

local function add_totals(key, images, units)
    local found = totals[key]
    if not found then
        found = {created = 0, units = 0, unfinished = 0}
        totals[key] = found
    end
    found.created = found.created + 1
    found.units = found.units + units
    found.unfinished = found.unfinished + images
end

local members = {}

-- Add to a set, once.
local function add_member(key, member)
    local name = key .. '\0' .. member
    if not members[name] then
        members[name] = true
        call('SADD', key, member)
    end
end

local LOADS = {
    clock = function()
        local record, reading, speed, jumps = tonumber(argument()), tonumber(argument()), tonumber(argument()), argument()
        local latest = tonumber(argument())
        -- If that clock ran, the time since then has passed. It never goes back.
        now = math.max(reading + (system - record) * speed, reading, latest)
        now_text, state = exact(now), nil
        call('HSET', STATE, 'since', system_text, 'reading', now_text, 'speed', exact(speed), 'jumps', jumps,
            'latest', now_text)
        call('HINCRBY', STATE, 'version', 1)
    end,
    counter = function()
        call('HSET', PREFIX .. 'counters', argument(), argument())
    end,
    rule = function()
        call('HSET', RULES, argument(), argument())
    end,
    use = function()
        add_uses(argument(), argument())
    end,
    window = function()
        call('HSET', WINDOWS, argument(), argument())
    end,
    token = function()
        call('ZADD', TOKENS, argument(), argument())
    end,
    totals = function()
        local account = argument()
        local key = ALL
        if account ~= '' then
            account = string.sub(account, 2)
            key = PREFIX .. 'account:' .. account
            call('SADD', PREFIX .. 'accounts', account)
        end
        call('HSET', key, 'created', argument(), 'units', argument(), 'peak', argument())
    end,
    task = function()
        local id, account, operation, external_id = argument(), argument(), argument(), argument()
        local record, plan, expiry, n, units = argument(), argument(), argument(), argument(), argument()
        local ends, counted, failed, has_callback = argument(), argument(), argument(), argument()
        local version, polls, unanswered, times = argument(), argument(), argument(), argument()
        local attempts, faults = argument(), argument()
        local key = task_key(id)
        local ends_at = instant_of_end(ends, counted, times)
        call('HSET', key, 'record', record, 'plan', plan, 'version', version, 'account', account, 'operation', operation,
            'expiry', expiry, 'n', n, 'units', units, 'ends', ends, 'counted', counted, 'failed', failed, 'end', ends_at,
            'polls', polls, 'unanswered', unanswered, 'times', times, 'attempts', attempts, 'faults', faults)
        if has_callback == '1' then
            call('HSET', key, 'callback', '1')
        end
        for _ = 1, tonumber(argument()) do
            call('HINCRBY', key, 'attempts:' .. argument(), 1)
        end
        local order = call('HINCRBY', STATE, 'order', 1)
        call('ZADD', ORDER, order, id)
        call('ZADD', PREFIX .. 'tasks:' .. account, order, id)
        call('ZADD', PREFIX .. 'operation:' .. account .. ':' .. operation, order, id)
        if external_id ~= '' then
            call('HSET', key, 'external', external_id)
            call('HSET', PREFIX .. 'external:' .. account, external_id, id)
        end
        add_member(PREFIX .. 'accounts', account)
        add_member(PREFIX .. 'operations:' .. account, operation)
        local images = 0
        if is_expired(expiry) or (ends_at ~= '' and tonumber(ends_at) <= now) then
            units = units - returned(units, failed, ends_at, expiry)
        else
            images = n
            call('ZADD', OPEN, expiry, id)
            if ends_at ~= '' then
                call('ZADD', ENDS, ends_at, id)
            end
        end
        add_totals(ALL, images, units)
        add_totals(PREFIX .. 'account:' .. account, images, units)
    end,
    call = function()
        local entry, size, limit, account = argument(), argument(), argument(), argument()
        add_call(entry, size, tonumber(limit), account, IMPORTED)
    end,
}

local problem = begin()
if problem then
    return problem
end
if ARGV[2] ~= 'replace' and (call('ZCARD', ORDER) > 0 or call('HLEN', RULES) > 0) then
    return {now_text, system_text, clock(), 0}
end
clear_all()
call('UNLINK', PREFIX .. 'counters')
local packed, place, size

-- The next field of the items: its length in 4 bytes, and its bytes.
argument = function()
    size, place = struct.unpack('<I4', packed, place)
    place = place + size
    return string.sub(packed, place - size, place - 1)
end

for number = 3, #ARGV do
    packed, place = ARGV[number], 1
    while place <= #packed do
        LOADS[argument()]()
    end
end
for key, added in pairs(totals) do
    for field, value in pairs(added) do
        call('HINCRBY', key, field, value)
    end
end
call('HINCRBY', STATE, 'scripts', 1)
publish('reset', '')
return {now_text, system_text, clock(), 1}
