-- publish: take what is due and number the messages that will carry it, one per lane. What must wait for its shop is
--          parked instead; what was parked comes back as fast as workers say they have room for it.
-- ARGV[1] now_ms or ''   ARGV[2] how many keys at most
-- returns  {{lane, sequence number, key, key, ...}, ...}; nothing while the ledger is not initialised
if redis.call('EXISTS', 'refunds:ledger') == 0 then return {} end
local now = time_ms(ARGV[1])
local lanes, order, queued = {}, {}, lists()
local most, taken = tonumber(ARGV[2]), 0

local function unpark(name)
  local shop, lane = string.match(name, '(.+)/(.+)')
  if must_wait(shop, lane, '') then return end
  local parked, room = 'refunds:parked:' .. name, math.min(room_told(name, now), 5 * most)
  if room > 0 then
    redis.call('DEL', 'refunds:room:' .. name)
    for _, key in ipairs(redis.call('ZRANGE', parked, 0, room - 1)) do
      redis.call('ZREM', parked, key)
      redis.call('ZADD', 'refunds:due', now, key)
    end
  end
  if redis.call('ZCARD', parked) == 0 then redis.call('SREM', 'refunds:parked', name) end
end

local function publish(key)
  local entry = entry_of(key)
  local known = redis.call('HMGET', entry, 'state', 'lane', 'holder', 'shop', 'campaign', 'cents')
  local is_open = known[1] == 'waiting' or known[1] == 'queued' or known[1] == 'in_doubt'
  if not is_open or known[3] or not known[2] or not known[4] then return end -- the last two: damaged
  if known[5] and obey_campaign(entry, key, known[5], known[1], known[4], known[2]) then return end
  if must_wait(known[4], known[2], known[1]) then
    park(entry, key, known[4], known[2], now)
  else
    taken = taken + 1
    if known[1] == 'waiting' then
      count_move(gather, 'waiting', 'queued', known[5], known[6])
      redis.call('HSET', entry, 'state', 'queued')
    end
    local lane = known[2]
    if not lanes[lane] then
      lanes[lane] = { lane, redis.call('INCR', 'refunds:seq:' .. lane) }
      table.insert(order, lane)
    end
    push_pair(queued[lane], lanes[lane][2], key)
    table.insert(lanes[lane], key)
  end
end

for _, name in ipairs(redis.call('SMEMBERS', 'refunds:parked')) do unpark(name) end
for _ = 1, 10 do -- what is parked does not count, so that one shop's jobs do not hold up another's
  local due = redis.call('ZRANGEBYSCORE', 'refunds:due', '-inf', now, 'LIMIT', 0, most - taken)
  call_with_all('ZREM', 'refunds:due', due)
  for _, key in ipairs(due) do publish(key) end
  if #due == 0 or taken >= most then break end
end
for lane, of_message in pairs(queued) do call_with_all('ZADD', 'refunds:queued:' .. lane, of_message) end
add_gathered()
local messages = {}
for _, lane in ipairs(order) do table.insert(messages, lanes[lane]) end
return messages
