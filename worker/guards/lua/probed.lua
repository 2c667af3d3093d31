-- probed: write down what a read, made when the breaker's time was over, says. Good closes it, with one call at once.
-- ARGV  name, value, ...: now (ms or ''), shop, outcome ("good" | "failed"), reason, retry_ms
-- returns  "closed" | "open"; "not open" when somebody else was faster
local a = named(ARGV)
local now = time_ms(a.now)
local key = 'refunds:shop:' .. a.shop
local s = read_hash(key)
if s.breaker ~= 'open' then return 'not open' end
if a.outcome == 'good' then
  redis.call('HSET', key, 'breaker', 'closed', 'limit', 1, 'fails', 0, 'grown_ms', whole(now), 'until_ms', 0)
  return 'closed'
end
open_breaker(key, s, now, a.reason, tonumber(a.retry_ms))
return 'open'
