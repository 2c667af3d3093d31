-- claim: take the right to attempt each key of a message, under this worker's lease and a new fence.
-- ARGV[1] now_ms or ''   ARGV[2] worker   ARGV[3] lease_ms   ARGV[4] lane   ARGV[5] sequence number
-- ARGV[6] "<shop>/<lane> ..." of which this worker has too many in hand   ARGV[7..] keys
-- returns  "no ledger", or {now_ms, epoch_ms, mode, then per key: {verdict, field, value, field, value, ...}}
--          verdict: "claimed" | "missing" | "final" | "held" by a worker | "on hold": up to people | "not due"
--          | "parked": waits for its shop | "laid back": its campaign is paused or cancelled
local ledger = redis.call('HMGET', 'refunds:ledger', 'epoch_ms', 'mode', 'mode_since_ms', 'id')
if not ledger[4] then return { 'no ledger' } end
local now, epoch = time_ms(ARGV[1]), epoch_of(ledger)
local mark = 'refunds:mark:' .. ARGV[4]
if tonumber(ARGV[5]) > tonumber(redis.call('GET', mark) or '0') then redis.call('SET', mark, ARGV[5]) end

local closed = {}
for name in string.gmatch(ARGV[6], '%S+') do closed[name] = true end

local keys = {}
for i = 7, #ARGV do table.insert(keys, ARGV[i]) end
local due = scores_of('refunds:due', keys)

local function verdict_on(key, entry, known)
  local state, shop, lane = known.state, known.shop, known.lane
  if not state or not shop or not lane then return 'missing' end -- or damaged: it must not stop the others
  if state == 'settled' or state == 'dead' or state == 'cancelled' then return 'final' end
  if state == 'held' then return 'on hold' end
  if known.holder then return 'held' end -- also where that worker died: upkeep adopts, and counts the death
  if due[key] and tonumber(due[key]) > now then return 'not due' end
  if known.campaign and obey_campaign(entry, key, known.campaign, state, shop, lane) then return 'laid back' end
  if closed[shop .. '/' .. lane] or must_wait(shop, lane, state) then
    park(entry, key, shop, lane, now)
    return 'parked'
  end
  return 'claimed'
end

local done_with = lists() -- keys that leave a sorted set, by its name

-- Write the claim; `known` is the entry as it was, and will be as it is.
local function claim(key, entry, known)
  if known.state ~= 'in_doubt' and known.state ~= 'claimed' then
    count_move(gather, known.state, 'claimed', known.campaign, known.cents)
    known.state = 'claimed'
  end
  known.fence, known.holder = string.format('%d', (tonumber(known.fence) or 0) + 1), ARGV[2]
  redis.call('HSET', entry, 'state', known.state, 'fence', known.fence, 'holder', known.holder)
  if due[key] then table.insert(done_with['refunds:due'], key) end
  table.insert(done_with['refunds:queued:' .. known.lane], key)
  table.insert(done_with['refunds:parked:' .. known.shop .. '/' .. known.lane], key)
end

redis.call('ZADD', 'refunds:workers', 'NX', now, ARGV[2])
local answers, claimed = { string.format('%d', now), string.format('%d', epoch), ledger[2] or 'normal' }, {}
for _, key in ipairs(keys) do
  local entry = entry_of(key)
  local known = read_hash(entry)
  local answer = { verdict_on(key, entry, known) }
  if answer[1] == 'claimed' then
    claim(key, entry, known)
    table.insert(claimed, key)
    for name, value in pairs(known) do push_pair(answer, name, value) end
  end
  table.insert(answers, answer)
end
call_with_all('SADD', 'refunds:held:' .. ARGV[2], claimed)
for set, left in pairs(done_with) do call_with_all('ZREM', set, left) end
add_gathered()
return answers
