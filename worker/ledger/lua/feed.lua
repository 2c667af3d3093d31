-- feed: take jobs out of the backlogs of running campaigns, as many as the workers will need in the next seconds, and
--       number the messages that will carry them; end the jobs of cancelled campaigns; note which campaigns are done.
-- ARGV[1] now_ms or ''   ARGV[2] keys in a message   ARGV[3] messages at most   ARGV[4] seconds of work that may be ahead
-- ARGV[5] jobs that may be ahead at most   ARGV[6] jobs of cancelled campaigns that are ended at most
-- returns  {number of campaigns that are not at their end, jobs that were ended, {lane, sequence number, key, ...}, ...}
if redis.call('EXISTS', 'refunds:ledger') == 0 then return { 0, 0 } end
local open = redis.call('SMEMBERS', 'refunds:campaigns:open')
if #open == 0 then return { 0, 0 } end
table.sort(open)
local now = time_ms(ARGV[1])
local per_message, messages_left, to_end = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[6])
local ended, lines, messages, has_parked = 0, {}, {}, {}

local function number(text) return tonumber(text or '0') or 0 end

-- What is known of a key of a backlog, and nil where it is not to be fed any more: it may have been taken by a late
-- message, and come back by other ways. `due`: when keys are due, of those that are.
local function laid_aside(key, due)
  local known = redis.call('HMGET', entry_of(key), 'state', 'holder', 'shop', 'lane', 'campaign', 'cents')
  if known[1] ~= 'waiting' or known[2] or due[key] or not known[3] or not known[4] then return nil end
  local parked = known[3] .. '/' .. known[4]
  if has_parked[parked] == nil then has_parked[parked] = redis.call('EXISTS', 'refunds:parked:' .. parked) == 1 end
  if has_parked[parked] and redis.call('ZSCORE', 'refunds:parked:' .. parked, key) then return nil end
  return known
end

local function queue(key, known, message)
  redis.call('HSET', entry_of(key), 'lane', 'bulk', 'state', 'queued')
  count_move(gather, 'waiting', 'queued', known[5], known[6])
  if #message == 0 then
    message[1], message[2] = 'bulk', redis.call('INCR', 'refunds:seq:bulk')
    table.insert(messages, message)
  end
  table.insert(message, key)
end

local function carry(message)
  local queued = {}
  for i = 3, #message do push_pair(queued, message[2], message[i]) end
  call_with_all('ZADD', 'refunds:queued:bulk', queued)
end

-- Jobs of a cancelled campaign: what surely was not sent is ended, the rest must be looked at and is fed as usual.
local function wind_up(backlog)
  local keys = redis.call('LPOP', backlog, string.format('%d', math.min(per_message, to_end))) or {}
  to_end = to_end - #keys
  ended = ended + #keys
  local message, due = {}, scores_of('refunds:due', keys)
  for _, key in ipairs(keys) do
    local entry, known = entry_of(key), laid_aside(key, due)
    if known and is_surely_unsent(entry) then
      move(entry, 'cancelled')
    elseif known then
      queue(key, known, message)
    end
  end
  carry(message)
  return #keys > 0
end

-- The same for those that are held for approval: nobody is to decide on them any more.
local function wind_up_held(campaign)
  for _, key in ipairs(redis.call('ZRANGE', campaign .. ':on_hold', 0, to_end - 1)) do
    local entry = entry_of(key)
    local is_unsent = is_surely_unsent(entry)
    if is_unsent then move(entry, 'cancelled') else move(entry, 'queued') end
    if not is_unsent then redis.call('ZADD', 'refunds:due', now, key) end
    to_end, ended = to_end - 1, ended + 1
  end
end

-- Jobs that a campaign's own rate allows now; unspent allowance is kept for a quarter of a second.
local function allowed_by_rate(campaign, c)
  local rate = number(c.rate)
  if rate <= 0 then return math.huge end
  local since = math.max(now - number(c.tokens_ms), 0) / 1000
  c.tokens = math.min(number(c.tokens) + since * rate, math.max(1, rate / 4))
  c.tokens_ms = now
  return math.floor(c.tokens)
end

-- Look at every campaign: who has what to feed, how many jobs are ahead of the workers, how many have passed them.
local ahead, passed, living = 0, 0, {}
for _, name in ipairs(open) do
  local campaign = 'refunds:campaign:' .. name
  local f = redis.call('HMGET', campaign, 'state', 'rate', 'tokens', 'tokens_ms')
  local c = { name = name, key = campaign, state = f[1], rate = f[2], tokens = f[3], tokens_ms = f[4] }
  local counts = redis.call('HMGET', campaign .. ':counts', 'waiting', 'queued', 'claimed', 'sent', 'in_doubt', 'held',
    'settled', 'dead')
  ahead = ahead + number(counts[2]) + number(counts[3])
  passed = passed + number(counts[4]) + number(counts[5]) + number(counts[6]) + number(counts[7]) + number(counts[8])
  local unfinished = 0
  for i = 1, 6 do unfinished = unfinished + number(counts[i]) end
  if not c.state then
    redis.call('SREM', 'refunds:campaigns:open', name)
  elseif unfinished == 0 and (c.state == 'running' or c.state == 'cancelled') then
    redis.call('SREM', 'refunds:campaigns:open', name)
    redis.call('HSET', campaign, 'ended_ms', string.format('%d', now))
    if c.state == 'running' then redis.call('HSET', campaign, 'state', 'done') end
  elseif c.state == 'running' or c.state == 'cancelled' then
    if c.state == 'cancelled' and number(counts[6]) > 0 and to_end > 0 then wind_up_held(campaign) end
    c.may = c.state == 'running' and allowed_by_rate(campaign, c) or 0
    for _, shop in ipairs(redis.call('SMEMBERS', campaign .. ':shops')) do
      local backlog = campaign .. ':backlog:' .. shop
      if redis.call('EXISTS', backlog) == 1 then table.insert(lines, { c = c, shop = shop, backlog = backlog }) end
    end
    table.insert(living, c)
  end
end

-- How fast jobs pass, on a slow average; and from it how many more may be ahead.
local pace = redis.call('HMGET', 'refunds:feed', 'at_ms', 'passed', 'rate')
local since, rate = now - number(pace[1]), number(pace[3])
if since >= 200 then
  local fresh = since < 5000 and math.max(passed - number(pace[2]), 0) * 1000 / since or 0
  rate = fresh > rate and fresh or rate + 0.2 * (fresh - rate)
  redis.call('HSET', 'refunds:feed', 'at_ms', string.format('%d', now), 'passed', string.format('%d', passed), 'rate', string.format('%.1f', rate))
end
local by_pace = math.min(math.ceil(rate * tonumber(ARGV[4])), tonumber(ARGV[5])) - ahead

-- Jobs that living workers say they would take now, for each shop; none while older jobs of that shop are parked.
local rooms = {}
local function room_for(shop)
  if rooms[shop] == nil then
    local name = shop .. '/bulk'
    if redis.call('ZCARD', 'refunds:parked:' .. name) == 0 and not must_wait(shop, 'bulk', '') then
      rooms[shop] = { name = name, by_room = room_told(name, now) - redis.call('ZCARD', 'refunds:queued:bulk') }
    else
      rooms[shop] = { name = name, is_closed = true, by_room = 0 }
    end
  end
  return rooms[shop]
end

-- Take one message out of one backlog. Returns whether anything was taken.
local function take(line)
  if line.c.state == 'cancelled' then return to_end > 0 and wind_up(line.backlog) end
  local room = room_for(line.shop)
  if room.is_closed then return false end
  local keys_now = math.min(per_message, line.c.may, math.max(by_pace, room.by_room))
  if keys_now < 1 then return false end
  local keys = redis.call('LPOP', line.backlog, string.format('%d', keys_now))
  if not keys then return false end
  local message, due = {}, scores_of('refunds:due', keys)
  for _, key in ipairs(keys) do
    local known = laid_aside(key, due)
    if known then queue(key, known, message) end
  end
  carry(message)
  local count = math.max(#message - 2, 0)
  if room.by_room > 0 then redis.call('DEL', 'refunds:room:' .. room.name) end
  by_pace, room.by_room, line.c.may = by_pace - count, room.by_room - count, line.c.may - count
  if number(line.c.rate) > 0 then line.c.tokens = line.c.tokens - count end
  return true
end

-- In turn, so that no campaign and no shop waits for another's end.
local turn = #lines > 0 and redis.call('HINCRBY', 'refunds:feed', 'turn', 1) or 0
local idle = 0
while #lines > 0 and idle < #lines and #messages < messages_left do
  if take(lines[turn % #lines + 1]) then idle = 0 else idle = idle + 1 end
  turn = turn + 1
end
for _, c in ipairs(living) do
  if c.tokens_ms == now then redis.call('HSET', c.key, 'tokens', tostring(c.tokens), 'tokens_ms', string.format('%d', now)) end
end
add_gathered()
local answer = { #living, ended }
for _, message in ipairs(messages) do table.insert(answer, message) end
return answer
