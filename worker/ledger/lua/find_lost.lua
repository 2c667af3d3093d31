-- find_lost: make due what was queued in messages that can no longer arrive.
-- ARGV[1] now_ms or ''   ARGV[2] lane   ARGV[3] highest sequence number that is surely consumed or gone   ARGV[4] at most
-- returns  the keys
local now = time_ms(ARGV[1])
local queued = 'refunds:queued:' .. ARGV[2]
local lost = redis.call('ZRANGEBYSCORE', queued, '-inf', ARGV[3], 'LIMIT', 0, tonumber(ARGV[4]))
for _, key in ipairs(lost) do
  redis.call('ZREM', queued, key)
  redis.call('ZADD', 'refunds:due', now, key)
end
return lost
