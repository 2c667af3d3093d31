-- claim: take the right to attempt each key of a message, under this worker's lease and a new fence.
-- ARGV[1] now_ms or ''   ARGV[2] worker   ARGV[3] lease_ms   ARGV[4] lane   ARGV[5] sequence number
-- ARGV[6] "<shop>/<lane> ..." of which this worker has too many in hand   ARGV[7..] keys
-- returns  "no ledger", or {now_ms, epoch_ms, mode, then per key: {verdict, field, value, field, value, ...}}
--          verdict: "claimed" | "missing" | "final" | "held" by a worker | "on hold": up to people | "not due"
--          | "parked": waits for its shop | "laid back": its campaign is paused or cancelled
local ledger = redis.call('HMGET', 'refunds:ledger', 'id', 'epoch_ms', 'mode', 'mode_since_ms')
if not ledger[1] then return { 'no ledger' } end
local now = time_ms(ARGV[1])
local epoch = tonumber(ledger[2] or '0')
if ledger[3] == 'after_loss' then epoch = math.max(epoch, tonumber(ledger[4])) end
local mark = 'refunds:mark:' .. ARGV[4]
if tonumber(ARGV[5]) > tonumber(redis.call('GET', mark) or '0') then redis.call('SET', mark, ARGV[5]) end

local closed = {}
for name in string.gmatch(ARGV[6], '%S+') do closed[name] = true end

-- Whether a job is laid aside; asked once for each shop, lane and kind of state.
local function is_closed(shop, lane, state)
  local name = shop .. '/' .. lane
  local asked = name .. (state == 'in_doubt' and ' in doubt' or '')
  if closed[asked] == nil then closed[asked] = closed[name] or must_wait(shop, lane, state) and true or false end
  return closed[asked]
end

local function verdict_on(key, entry)
  local known = redis.call('HMGET', entry, 'state', 'holder', 'shop', 'lane', 'campaign')
  if not known[1] then return 'missing' end
  if known[1] == 'settled' or known[1] == 'dead' or known[1] == 'cancelled' then return 'final' end
  if known[1] == 'held' then return 'on hold' end
  if known[2] then return 'held' end -- also where that worker died: upkeep adopts, and counts the death
  local due = redis.call('ZSCORE', 'refunds:due', key)
  if due and tonumber(due) > now then return 'not due' end
  if known[5] and obey_campaign(entry, key, known[5], known[1], known[3], known[4]) then return 'laid back' end
  if is_closed(known[3], known[4], known[1]) then
    park(entry, key, known[3], known[4], now)
    return 'parked'
  end
  redis.call('ZREM', 'refunds:parked:' .. known[3] .. '/' .. known[4], key)
  return 'claimed'
end

redis.call('ZADD', 'refunds:workers', 'NX', now, ARGV[2])
local answers = { string.format('%d', now), string.format('%d', epoch), ledger[3] or 'normal' }
for i = 7, #ARGV do
  local key, entry = ARGV[i], entry_of(ARGV[i])
  local answer = { verdict_on(key, entry) }
  if answer[1] == 'claimed' then
    if redis.call('HGET', entry, 'state') ~= 'in_doubt' then move(entry, 'claimed') end
    redis.call('HINCRBY', entry, 'fence', 1)
    redis.call('HSET', entry, 'holder', ARGV[2])
    redis.call('SADD', 'refunds:held:' .. ARGV[2], key)
    redis.call('ZREM', 'refunds:due', key)
    redis.call('ZREM', 'refunds:queued:' .. redis.call('HGET', entry, 'lane'), key)
    for _, part in ipairs(redis.call('HGETALL', entry)) do table.insert(answer, part) end
  end
  table.insert(answers, answer)
end
return answers
