-- publish: take what is due and number the messages that will carry it, one per lane.
-- ARGV[1] now_ms or ''   ARGV[2] how many keys at most
-- returns  {{lane, sequence number, key, key, ...}, ...}; nothing while the ledger is not initialised
if redis.call('EXISTS', 'refunds:ledger') == 0 then return {} end
local now = time_ms(ARGV[1])
local lanes, order = {}, {}
for _, key in ipairs(redis.call('ZRANGEBYSCORE', 'refunds:due', '-inf', now, 'LIMIT', 0, tonumber(ARGV[2]))) do
  local entry = entry_of(key)
  local known = redis.call('HMGET', entry, 'state', 'lane', 'holder')
  redis.call('ZREM', 'refunds:due', key)
  local is_open = known[1] == 'waiting' or known[1] == 'queued' or known[1] == 'in_doubt'
  if is_open and not known[3] then
    if known[1] == 'waiting' then move(entry, 'queued') end
    local lane = known[2]
    if not lanes[lane] then
      lanes[lane] = { lane, redis.call('INCR', 'refunds:seq:' .. lane) }
      table.insert(order, lane)
    end
    redis.call('ZADD', 'refunds:queued:' .. lane, lanes[lane][2], key)
    table.insert(lanes[lane], key)
  end
end
local messages = {}
for _, lane in ipairs(order) do table.insert(messages, lanes[lane]) end
return messages
