-- note_server: compare the Redis process that answers with the one the ledger knows. Run on every new connection.
--              Another run id means a restart or a failover: writes may be missing, so older entries are possibly sent.
-- ARGV[1] now_ms or ''   ARGV[2] run id of the server
-- returns  "no ledger" | "same" | "changed"
local known = redis.call('HMGET', 'refunds:ledger', 'id', 'run_id')
if not known[1] then return 'no ledger' end
if known[2] == ARGV[2] then return 'same' end
redis.call('HSET', 'refunds:ledger', 'run_id', ARGV[2], 'epoch_ms', string.format('%d', time_ms(ARGV[1])))
redis.call('HINCRBY', 'refunds:ledger', 'epochs', 1)
return 'changed'
