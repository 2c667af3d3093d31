-- clear_doubt: people looked at the gateway and the shop: no money moved. The letter stays, and may be edited and replayed.
-- ARGV[1] now_ms or ''   ARGV[2] key   ARGV[3] id of the letter that was looked at   ARGV[4] history line (JSON)
-- ARGV[5..7] of the audit trail: hash of the record before, record, its hash
-- returns  "cleared" | "missing" | "closed" | the state, when it is not dead | "changed": the key has another letter by now
--          an objection of the trail
local key, entry = ARGV[2], entry_of(ARGV[2])
local known = redis.call('HMGET', entry, 'state', 'closed', 'reason', 'message')
if not known[1] then return 'missing' end
if known[1] ~= 'dead' then return known[1] end
if known[2] then return 'closed' end
if redis.call('HGET', 'refunds:dead_index', key) ~= ARGV[3] then return 'changed' end
local objection = trail_objection(ARGV[5])
if objection then return objection end
append_record(ARGV[6], ARGV[7])
note(entry, ARGV[4])
redis.call('HSET', entry, 'spent', 1) -- that send is over: the next one has a number, and a nonce, of its own
bury(entry, key, time_ms(ARGV[1]), known[3], 'not_sent', known[4])
return 'cleared'
