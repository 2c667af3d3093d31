-- beat: renew the lease of all that a worker holds, on the server's clock.
-- ARGV[1] now_ms or ''   ARGV[2] worker
-- returns  the time (ms)
local now = string.format('%d', time_ms(ARGV[1]))
redis.call('ZADD', 'refunds:workers', now, ARGV[2])
return now
