-- Shared by the moves. Before each script is put what it names of this, of money.lua and of letters.lua (scripts.py).
--   refunds:ledger              hash    id, run_id, epoch_ms, mode, mode_since_ms (its absence stops all sending)
--   refunds:entry:<key>         hash    one entry, permanent; fields in worker/ledger/entry.py
--   refunds:counts              hash    accepted, and one count per state: they always add up
--   refunds:queued:<lane>       zset    key -> sequence number of the message that carries it
--   refunds:seq:<lane>          string  last sequence number given to a message
--   refunds:mark:<lane>         string  highest sequence number that a worker has claimed
--   refunds:due                 zset    key -> time (ms) at which upkeep publishes it
--   refunds:workers             zset    worker -> last heartbeat (ms): the lease of all that it holds
--   refunds:held:<worker>       set     keys that the worker holds
--   refunds:order:<shop>:<id>   string  key of the one refund in flight for an order
--   refunds:order_waiters:<..>  list    keys that wait for that order, each once
--   refunds:unconfirmed:<shop>  zset    settled key -> time (ms) from which its credit memo is to be read back
--   refunds:unpacked            zset    settled key -> time (ms) at which nothing more was to come: to be packed
--   refunds:samples             hash    campaign or '' -> text that its entries are packed against (worker/ledger/samples.py)
--   refunds:mismatches          zset    key -> time (ms) at which its credit memo was found to be another than asked
--   refunds:parked:<shop>/<lane> zset   key -> time (ms) at which it was parked: waits for breaker, pause or its turn
--   refunds:parked              set     "<shop>/<lane>" of those that are not empty
--   refunds:campaign:<name>     hash    one campaign (worker/campaigns/store.py); its state pauses or cancels its entries
--   refunds:campaign:<name>:counts      hash  ledger state -> jobs, <state>_cents -> money they ask for, where it is known
--   refunds:campaign:<name>:keys        list  every accepted key, in the order of the file
--   refunds:campaign:<name>:reasons     hash  reason code -> dead letters
--   refunds:campaign:<name>:confirmed   hash  jobs whose credit memo was read back, mismatches; not_asked: jobs of shops
--                                             whose memos are not read back; cents:<currency> refunded,
--                                             persisted_cents:<currency> only stored
--   refunds:campaign:<name>:pace        hash  latency:<class> -> settled jobs; slot:<n> -> "<slot> <ended> <calls> <ms>" of 10 s
--   refunds:campaign:<name>:backlog:<shop>    list  keys that no message carries yet; what a pause brought back is in front
--   refunds:campaigns           zset    name -> time (ms) it was created at
--   refunds:campaign:<name>:shops       set   shops of its jobs
--   refunds:campaigns:files     hash    content hash of a file -> the campaign that was made from it first
--   refunds:campaigns:open      set     names of those that are not at their end
--   refunds:pauses, refunds:shop:<shop>, refunds:room:<shop>/<lane>: of the guards, see worker/guards/lua/shared.lua
--   refunds:dead                stream  dead letters, with what letters.lua says; refunds:dead_index  hash  key -> id in the stream
--   refunds:dead:closed         stream  letters that people closed: the same fields, and closed_ms, how, by, why
--   refunds:selection:<id>..    see worker/dead_letters/selection.py

-- The time in ms: the server's, unless a test hands one in.
local function time_ms(given)
  if given ~= '' then return tonumber(given) end
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

local function entry_of(key) return 'refunds:entry:' .. key end

-- The fields of a hash as a table.
local function read_hash(name)
  local fields, flat = {}, redis.call('HGETALL', name)
  for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
  return fields
end

-- One command for many values; `unpack` has its limit. The step is even: pairs stay together.
local function call_with_all(command, name, values)
  for first = 1, #values, 1000 do
    redis.call(command, name, unpack(values, first, math.min(first + 999, #values)))
  end
end

local function push_pair(list, first, second)
  list[#list + 1] = first
  list[#list + 1] = second
end

-- The scores of many members of a sorted set, by member.
local function scores_of(set, members)
  local scores = {}
  for first = 1, #members, 1000 do
    local last = math.min(first + 999, #members)
    for i, score in ipairs(redis.call('ZMSCORE', set, unpack(members, first, last))) do
      scores[members[first + i - 1]] = score
    end
  end
  return scores
end

-- Lists by name, each made when it is first asked for.
local function lists()
  return setmetatable({}, { __index = function(made, name)
    made[name] = {}
    return made[name]
  end })
end

-- Add to a counter at once.
local function add(counters, field, by) redis.call('HINCRBY', counters, field, string.format('%d', by)) end

-- The same for a move of many jobs: what is gathered is added at its end, once for each counter.
local gathered = lists()
local function gather(counters, field, by) gathered[counters][field] = (gathered[counters][field] or 0) + by end

local function add_gathered()
  for counters, fields in pairs(gathered) do
    for field, by in pairs(fields) do
      if by ~= 0 then add(counters, field, by) end
    end
  end
end

-- The counters that add up with the states: those of all jobs, and those of the campaign: its jobs, and the money they
-- ask for (cents) where it is known. `count` is `add` or `gather`.
local function count_move(count, from, to, campaign, cents)
  if from then count('refunds:counts', from, -1) end
  count('refunds:counts', to, 1)
  if not campaign then return end
  local counts = 'refunds:campaign:' .. campaign .. ':counts'
  if from then count(counts, from, -1) end
  count(counts, to, 1)
  if cents then
    local money = tonumber(cents) or 0
    if from then count(counts, from .. '_cents', -money) end
    count(counts, to .. '_cents', money)
  end
end

-- The dead letters of a campaign by reason; the entry bears the reason while it is dead.
local function count_reason(campaign, entry, by)
  local reasons, reason = 'refunds:campaign:' .. campaign .. ':reasons', redis.call('HGET', entry, 'reason') or 'unknown'
  if redis.call('HINCRBY', reasons, reason, by) <= 0 then redis.call('HDEL', reasons, reason) end
end

local function off_hold(key, campaign)
  redis.call('ZREM', 'refunds:on_hold', key)
  if campaign then redis.call('ZREM', 'refunds:campaign:' .. campaign .. ':on_hold', key) end
end

-- Change the state and the counters that must add up with it. What people laid aside or cancelled is not spent.
-- The moves that each job makes (claim, send, settle) know the entry already, and do the same with fewer commands.
local function move(entry, to)
  local known = redis.call('HMGET', entry, 'state', 'campaign', 'cents', 'money_day')
  local from = known[1]
  if from == to then return end
  count_move(add, from, to, known[2], known[3])
  if known[2] and (from == 'dead' or to == 'dead') then count_reason(known[2], entry, to == 'dead' and 1 or -1) end
  if known[4] and (to == 'held' or to == 'cancelled') then give_back(entry) end
  if from == 'held' then off_hold(string.sub(entry, string.len(entry_of('')) + 1), known[2]) end
  redis.call('HSET', entry, 'state', to)
end

-- Whether the caller still holds the entry: a stale fence never writes. The token is <fence>@<worker>, because a Redis
-- that lost its newest writes gives the same fence out a second time.
local function is_token(token, fence, holder) return holder and fence .. '@' .. holder == token end

local function is_held(entry, token)
  local now = redis.call('HMGET', entry, 'fence', 'holder')
  return is_token(token, now[1], now[2])
end

-- Give the claim back; the fence stays, so that an old holder cannot write.
local function let_go(entry, key)
  local holder = redis.call('HGET', entry, 'holder')
  if holder then
    redis.call('SREM', 'refunds:held:' .. holder, key)
    redis.call('HDEL', entry, 'holder')
  end
end

-- Whether people have paused a shop's lane.
local function is_paused(shop, lane)
  local found = redis.call('HMGET', 'refunds:pauses', 'all', 'shop:' .. shop, 'lane:' .. lane,
    'shop:' .. shop .. '/lane:' .. lane)
  return found[1] or found[2] or found[3] or found[4]
end

-- Whether jobs of a shop's lane wait now. A job in doubt may be looked at in a pause, but not while the shop is away.
-- Asked once in a move for each shop, lane and kind of state.
local waits = {}
local function must_wait(shop, lane, state)
  local asked = shop .. '/' .. lane .. (state == 'in_doubt' and ' in doubt' or '')
  if waits[asked] == nil then
    local is_away = redis.call('HGET', 'refunds:shop:' .. shop, 'breaker') == 'open'
    waits[asked] = is_away or (state ~= 'in_doubt' and is_paused(shop, lane) and true or false)
  end
  return waits[asked]
end

-- The jobs of "<shop>/<lane>" that living workers would take now; each says so anew every second at least.
local function room_told(name, now)
  local room, told = 0, redis.call('HGETALL', 'refunds:room:' .. name)
  for i = 1, #told, 2 do
    local jobs, at = string.match(told[i + 1], '(%d+) (%d+)')
    if now - tonumber(at) < 3000 then room = room + tonumber(jobs) end
  end
  return room
end

-- Lay an entry that nobody holds aside, until its shop takes it.
local function park(entry, key, shop, lane, now)
  if redis.call('HGET', entry, 'state') ~= 'in_doubt' then move(entry, 'waiting') end
  redis.call('ZREM', 'refunds:due', key)
  redis.call('ZREM', 'refunds:queued:' .. lane, key)
  redis.call('ZADD', 'refunds:parked:' .. shop .. '/' .. lane, 'NX', now, key)
  redis.call('SADD', 'refunds:parked', shop .. '/' .. lane)
end

-- The state of a campaign; false for an entry without one. Asked once in a move.
local campaign_states = {}
local function campaign_state(campaign)
  if not campaign then return false end
  if campaign_states[campaign] == nil then
    campaign_states[campaign] = redis.call('HGET', 'refunds:campaign:' .. campaign, 'state') or 'none'
  end
  return campaign_states[campaign]
end

-- Up to when this ledger may have lost what was written: the last restart or failover of Redis, or the loss of its data.
-- `ledger` is what HMGET gives of epoch_ms, mode and mode_since_ms.
local function epoch_of(ledger)
  local epoch = tonumber(ledger[1] or '0')
  return ledger[2] == 'after_loss' and math.max(epoch, tonumber(ledger[3])) or epoch
end

-- Whether Redis was restarted or replaced since a claim, which learnt `epoch`: what others did meanwhile may be lost.
local function has_changed(epoch)
  return epoch_of(redis.call('HMGET', 'refunds:ledger', 'epoch_ms', 'mode', 'mode_since_ms')) > tonumber(epoch)
end

-- Whether surely nothing of an entry was ever sent, also nothing of which this ledger lost the record.
local function is_surely_unsent(entry)
  local ledger = redis.call('HMGET', 'refunds:ledger', 'epoch_ms', 'mode')
  local known = redis.call('HMGET', entry, 'sends', 'accepted_ms', 'look_first')
  return known[1] == '0' and known[3] ~= '1' and ledger[2] ~= 'after_loss'
    and tonumber(known[2]) > tonumber(ledger[1] or '0')
end

-- Obey what people said of the campaign of an entry that nobody holds: back into the backlog while it is paused, and
-- to its end once it is cancelled. What may have been sent goes on: it must be looked at. Returns whether it was obeyed.
local function obey_campaign(entry, key, campaign, state, shop, lane)
  local said = campaign_state(campaign)
  if (said ~= 'paused' and said ~= 'draft' and said ~= 'cancelled') or state == 'in_doubt' then return false end
  if said == 'cancelled' and not is_surely_unsent(entry) then return false end
  redis.call('ZREM', 'refunds:due', key)
  redis.call('ZREM', 'refunds:queued:' .. lane, key)
  redis.call('ZREM', 'refunds:parked:' .. shop .. '/' .. lane, key)
  if said == 'cancelled' then
    move(entry, 'cancelled')
  else
    move(entry, 'waiting')
    redis.call('LPUSH', 'refunds:campaign:' .. campaign .. ':backlog:' .. shop, key)
    redis.call('SADD', 'refunds:campaign:' .. campaign .. ':shops', shop)
  end
  return true
end

-- Free an order that this key may hold, and wake the first that waits for it.
local function unlock(order, key, now)
  local lock = 'refunds:order:' .. order
  if redis.call('GET', lock) == key then
    redis.call('DEL', lock)
    local line = 'refunds:order_waiters:' .. order
    local waiter = redis.call('LPOP', line)
    while waiter and not redis.call('ZSCORE', 'refunds:due', waiter) do waiter = redis.call('LPOP', line) end
    if waiter then redis.call('ZADD', 'refunds:due', now, waiter) end
  end
end

local function free_order(entry, key, now)
  local order = redis.call('HGET', entry, 'order')
  if not order then return end
  unlock(order, key, now)
  redis.call('HDEL', entry, 'order')
end

-- Take an order for one refund, or wait in its line. Returns whether it was taken; the caller writes it to the entry.
local function take_order(key, order)
  local lock, line = 'refunds:order:' .. order, 'refunds:order_waiters:' .. order
  if not redis.call('SET', lock, key, 'NX') and redis.call('GET', lock) ~= key then
    if not redis.call('LPOS', line, key) then redis.call('RPUSH', line, key) end
    return false
  end
  redis.call('LREM', line, 0, key)
  return true
end

-- A history with one line of JSON more; the first 20 and the last 80 lines stay.
local function with_line(old, line)
  if not old then return line end
  local text = old .. '\n' .. line
  local _, lines = string.gsub(text, '\n', '\n')
  if lines >= 100 then
    local seen, cut_from, cut_to = 0, nil, nil
    for position in string.gmatch(text, '()\n') do
      seen = seen + 1
      if seen == 20 then cut_from = position end
      if seen == 21 then cut_to = position end
    end
    text = string.sub(text, 1, cut_from) .. string.sub(text, cut_to + 1)
  end
  return text
end

local function note(entry, line)
  if line == '' then return end
  redis.call('HSET', entry, 'history', with_line(redis.call('HGET', entry, 'history'), line))
end

-- How fast a campaign goes: what ended in each of the last 60 slots of 10 s, and how long their calls took.
local function count_pace(campaign, now, call_ms)
  local pace, slot = 'refunds:campaign:' .. campaign .. ':pace', math.floor(now / 10000)
  local name = 'slot:' .. slot % 60
  local at, jobs, calls, ms = string.match(redis.call('HGET', pace, name) or '', '^(%d+) (%d+) (%d+) (%d+)$')
  if tonumber(at) ~= slot then jobs, calls, ms = 0, 0, 0 end
  redis.call('HSET', pace, name, string.format('%d %d %d %d', slot, jobs + 1, calls + (call_ms and 1 or 0), ms + (call_ms or 0)))
  if not call_ms then return end
  -- upper ends of the classes of latency (ms), as worker/campaigns/latency.py names them
  local classes = { 10, 16, 25, 40, 63, 100, 160, 250, 400, 630, 1000, 1600, 2500, 4000, 6300, 10000, 25000 }
  local class = 0
  while classes[class + 1] and call_ms > classes[class + 1] do class = class + 1 end
  redis.call('HINCRBY', pace, 'latency:' .. class, 1)
end

-- Write the dead letter of an entry: once per death, kept until its job has settled.
local function bury(entry, key, now, reason, verdict, message)
  local facts = redis.call('HMGET', entry, 'doc', 'shop', 'lane', 'sends', 'history', 'campaign', 'money_day',
    'revision', 'state')
  local id = letters().write('refunds:dead', { 'key', key, 'reason', reason, 'verdict', verdict,
    'message', message, 'at_ms', string.format('%d', now), 'job', facts[1] or '', 'shop', facts[2] or '',
    'lane', facts[3] or '', 'sends', facts[4] or '0', 'attempts', facts[5] or '', 'campaign', facts[6] or '',
    'revision', facts[8] or '1' })
  local before = redis.call('HGET', 'refunds:dead_index', key)
  if before then letters().remove('refunds:dead', before) end
  redis.call('HSET', 'refunds:dead_index', key, id)
  redis.call('HSET', entry, 'reason', reason, 'verdict', verdict, 'message', message,
    'updated_ms', string.format('%d', now))
  if facts[7] and verdict ~= 'unknown' then give_back(entry) end
  move(entry, 'dead')
  if facts[6] and facts[9] ~= 'dead' then count_pace(facts[6], now) end -- not when people edit a letter
end

-- Lay an entry aside until people approve or decline it; `over` is {reason, limit in cents, spent of it in cents}.
local function hold(entry, key, now, over, asked)
  local at = string.format('%d', now)
  redis.call('HSET', entry, 'reason', over[1], 'held_limit', over[2], 'held_spent', over[3], 'asked', asked,
    'held_ms', at, 'updated_ms', at)
  redis.call('ZADD', 'refunds:on_hold', at, key)
  local campaign = redis.call('HGET', entry, 'campaign')
  if campaign then redis.call('ZADD', 'refunds:campaign:' .. campaign .. ':on_hold', at, key) end
  move(entry, 'held')
end

-- Whether a limit on money applies to a new job. Redis is asked nothing for one without a campaign.
local function is_limited(campaign, limits) return limits ~= '' or limit_of_campaign(campaign) end

-- Take the money of a new entry into account to which a limit applies; returns whether it may go, else it is held from
-- its beginning.
local function admit(entry, key, asked, limits, now)
  redis.call('HSET', entry, 'limited', 1)
  local over = asked ~= '' and reserve(entry, tonumber(asked), limits, now, false)
  if not over then return true end
  over[1] = 'over_' .. over[1] .. '_limit'
  note(entry, string.format('{"at_ms":%d,"event":"held","reason":"%s","asked_cents":%s,"limit_cents":%s,'
    .. '"spent_cents":%s}', now, over[1], asked, over[2], over[3]))
  hold(entry, key, now, over, asked)
  return false
end
