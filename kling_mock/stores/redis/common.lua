-- Functions of the scripts of the Redis store. KEYS[1] begins all its keys: '{name}:'.
-- Instants and versions are passed as text: Lua's own conversion of numbers keeps 14 digits.

local PREFIX = KEYS[1]
local STATE = PREFIX .. 'state'
local ORDER = PREFIX .. 'tasks'
local OPEN = PREFIX .. 'open'
local ENDS = PREFIX .. 'ends'
local ALL = PREFIX .. 'all'
local USES = PREFIX .. 'uses'
local USED_AT = PREFIX .. 'used'
local RULES = PREFIX .. 'rules'
local WINDOWS = PREFIX .. 'windows'
local TOKENS = PREFIX .. 'tokens'
local CALLS = PREFIX .. 'calls'
local CHANGES = PREFIX .. 'changes'
local CHANGES_KEPT = 10000
local FORMAT = 'kling-mock 1'

local call = redis.call
local now, system
local position = 1 -- in ARGV, which begins with the process

local function argument()
    position = position + 1
    return ARGV[position]
end

local function exact(number)
    return string.format('%.17g', number)
end

local function task_key(id)
    return PREFIX .. 'task:' .. id
end

-- The instants of this script as text, and the fields of the state as they were read; nil after their change.
local now_text, system_text, state

local function read_state()
    state = call('HMGET', STATE, 'format', 'latest', 'system', 'since', 'reading', 'speed', 'version', 'scripts', 'uses')
    return state[1]
end

-- Set `now` and `system`. A namespace without state begins here, with a running clock. The version of the
-- scripts begins with the system time, so that it differs from those before a loss of all data.
local function begin()
    local parts = call('TIME')
    system = tonumber(parts[1]) + tonumber(parts[2]) / 1000000
    system_text = exact(system)
    local format = read_state()
    if not format then
        if call('EXISTS', STATE, ORDER, ALL, RULES, CALLS) > 0 then
            return redis.error_reply('KLINGMOCK foreign')
        end
        now, now_text = system, system_text
        -- The fields that most scripts use are the first: Redis searches them in this order.
        call('HSET', STATE, 'format', FORMAT, 'latest', now_text, 'system', system_text, 'since', now_text, 'reading',
            now_text, 'speed', '1.0', 'version', '0', 'scripts', parts[1] .. string.format('%06d', parts[2]), 'uses', '0',
            'journal', '0', 'order', '0', 'jumps', '[]')
        state = nil
        return
    elseif format ~= FORMAT then
        return redis.error_reply('KLINGMOCK format ' .. format)
    end
    local speed, latest = tonumber(state[6]), tonumber(state[2])
    now = tonumber(state[5]) + (system - tonumber(state[4])) * speed
    if system < tonumber(state[3]) and speed ~= 0 then -- system time was set back
        call('HSET', STATE, 'since', system_text, 'reading', state[2])
        state, now = nil, latest
    end
    now = math.max(now, latest)
    now_text = now == system and system_text or exact(now)
    -- The first write of every script, which Redis refuses if its memory is full.
    call('HSET', STATE, 'latest', now_text, 'system', system_text)
end

-- A field of the state by its number in `read_state`.
local function field(number)
    if not state then
        read_state()
    end
    return state[number]
end

local function is_expired(expiry)
    return now >= tonumber(expiry)
end

-- The units that a task returns at its end.
local function returned(units, failed, ends, expiry)
    if failed == '1' and ends ~= '' and tonumber(ends) < tonumber(expiry) then
        return tonumber(units)
    end
    return 0
end

-- Add to the totals of an account and of all.
local function count(account, created, images, units)
    for _, key in ipairs({ALL, PREFIX .. 'account:' .. account}) do
        local totals = call('HMGET', key, 'created', 'unfinished', 'units', 'peak')
        local unfinished, peak = (totals[2] or 0) + images, tonumber(totals[4] or 0)
        if images > 0 and unfinished > peak then
            peak = unfinished
        end
        call('HSET', key, 'created', (totals[1] or 0) + created, 'unfinished', unfinished, 'units',
            (totals[3] or 0) + units, 'peak', peak)
    end
end

-- Stop counting a task as unfinished.
local function close(id)
    local task = call('HMGET', task_key(id), 'account', 'n', 'units', 'failed', 'end', 'expiry')
    call('ZREM', ENDS, id)
    call('ZREM', OPEN, id)
    if task[1] then
        count(task[1], 0, -tonumber(task[2]), -returned(task[3], task[4], task[5], task[6]))
    end
end

-- Close the tasks that have ended or expired, once in a script: those that end later in it are closed at once.
local is_settled = false

local function settle()
    if is_settled then
        return
    end
    is_settled = true
    for _, key in ipairs({ENDS, OPEN}) do
        repeat
            local ids = call('ZRANGEBYSCORE', key, '-inf', now_text, 'LIMIT', 0, 100)
            for _, id in ipairs(ids) do
                close(id)
            end
        until #ids == 0
    end
end

-- The id of the task with an external id, or false.
local function external(account, id)
    return call('HGET', PREFIX .. 'external:' .. account, id)
end

-- The version of a task: '' if it does not exist, 'expired' if its retention is over.
local function version_of_task(id)
    local task = call('HMGET', task_key(id), 'version', 'expiry')
    if not task[1] then
        return ''
    end
    return is_expired(task[2]) and 'expired' or task[1]
end

local function attempts_at(id, change)
    return call('HGET', task_key(id), 'attempts:' .. change) or '0'
end

local function drop_task(id)
    local key = task_key(id)
    local task = call('HMGET', key, 'account', 'operation', 'external')
    if call('ZSCORE', OPEN, id) then
        close(id)
    end
    if task[1] then
        local account, external_id = task[1], task[3]
        if external_id and external(account, external_id) == id then
            call('HDEL', PREFIX .. 'external:' .. account, external_id)
        end
        call('ZREM', PREFIX .. 'tasks:' .. account, id)
        call('ZREM', PREFIX .. 'operation:' .. account .. ':' .. task[2], id)
    end
    call('ZREM', ORDER, id)
    call('UNLINK', key)
end

local function drop_rule(id)
    call('HDEL', RULES, id)
    call('HDEL', USES, id)
    call('ZREM', USED_AT, id)
end

-- Report a change to the other processes, which read the calls only if they need all of them: 'task', 'clock' and
-- 'reset' are not part of a call; 'created' and 'queried' are, of a task with a callback.
local function publish(kind, id)
    call('XADD', CHANGES, 'MAXLEN', '~', CHANGES_KEPT, '*', 'kind', kind, 'id', id, 'process', ARGV[1])
end

local function clock()
    return {field(4), field(5), field(6), field(7)}
end

-- Count uses of a script.
local function add_uses(id, number)
    call('HINCRBY', USES, id, number)
    call('ZADD', USED_AT, call('HINCRBY', STATE, 'uses', 1), id)
end

-- Append to the journal, and drop the oldest calls beyond its size in bytes.
local function add_call(entry, size, limit, account, process)
    if account == '' then
        call('XADD', CALLS, '*', 'call', entry, 'size', size, 'process', process)
    else
        call('XADD', CALLS, '*', 'call', entry, 'size', size, 'process', process, 'account', string.sub(account, 2))
    end
    local total = call('HINCRBY', STATE, 'journal', size)
    while total > limit and call('XLEN', CALLS) > 1 do
        local oldest = call('XRANGE', CALLS, '-', '+', 'COUNT', 1)[1]
        call('XDEL', CALLS, oldest[1])
        total = call('HINCRBY', STATE, 'journal', -tonumber(oldest[2][4]))
    end
end

-- The instant of the end by a plan and the instants of the counted queries; '' if it is not known.
local function instant_of_end(ends, counted, times)
    if ends == '' or counted == '0' then
        return ends
    end
    local left = tonumber(ends)
    for at in string.gmatch(times, '[^,]+') do
        left = left - 1
        if left == 0 then
            return at
        end
    end
    return ''
end

local function clear_all()
    for _, id in ipairs(call('ZRANGE', ORDER, 0, -1)) do
        call('UNLINK', task_key(id))
    end
    for _, account in ipairs(call('SMEMBERS', PREFIX .. 'accounts')) do
        call('UNLINK', PREFIX .. 'external:' .. account, PREFIX .. 'tasks:' .. account, PREFIX .. 'account:' .. account)
        local operations = PREFIX .. 'operations:' .. account
        for _, operation in ipairs(call('SMEMBERS', operations)) do
            call('UNLINK', PREFIX .. 'operation:' .. account .. ':' .. operation)
        end
        call('UNLINK', operations)
    end
    call('UNLINK', ORDER, OPEN, ENDS, ALL, USES, USED_AT, RULES, WINDOWS, TOKENS, CALLS, PREFIX .. 'accounts')
    call('HSET', STATE, 'journal', '0')
end

-- Run a function for each part of ARGV: the number of its arguments, and these. Returns the reply of the script,
-- with a result of each part; an error is one of its part alone.
local function each_part(run)
    local reply = {now_text, system_text, false}
    while position < #ARGV do
        local size = tonumber(argument())
        local last = position + size
        local is_done, result = pcall(run, last)
        if not is_done and type(result) == 'string' then
            result = {err = 'ERR ' .. result}
        end
        reply[#reply + 1] = result
        position = last
    end
    reply[3] = clock()
    return reply
end
