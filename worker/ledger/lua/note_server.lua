-- note_server: compare the Redis process that answers with the one the ledger knows. Run on every new connection.
--              Another run id means a restart or a failover: writes may be missing, so older entries are possibly sent.
-- ARGV[1] now_ms or ''   ARGV[2] run id of the server
-- returns  "no ledger" | "same" | "changed"
local known = redis.call('HMGET', 'refunds:ledger', 'id', 'run_id')
if not known[1] then return 'no ledger' end
if known[2] == ARGV[2] then return 'same' end
local epoch = time_ms(ARGV[1])
-- Where the clock of this server is behind that of the one before, what was written there seems to be of the future.
-- Workers beat more often than every 10 s, so nothing of it is later than that after the newest beat.
local beat = tonumber(redis.call('ZREVRANGE', 'refunds:workers', 0, 0, 'WITHSCORES')[2] or '0')
if beat > epoch then epoch = beat + 10000 end
redis.call('HSET', 'refunds:ledger', 'run_id', ARGV[2], 'epoch_ms', string.format('%d', epoch))
redis.call('HINCRBY', 'refunds:ledger', 'epochs', 1)
return 'changed'
