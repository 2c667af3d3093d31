-- decline: make a held entry a dead letter; nothing of it was sent.
-- ARGV[1..3] of the audit trail: hash of the record before, record, its hash
-- ARGV[4] now_ms or ''   ARGV[5] key   ARGV[6] words for the letter   ARGV[7] history line (JSON)
-- returns  "dead" | "missing" | the state, when it is not held | what the trail objects
local key, entry = ARGV[5], entry_of(ARGV[5])
local known = redis.call('HMGET', entry, 'state', 'held_ms')
if not known[1] then return 'missing' end
if known[1] ~= 'held' then return known[1] end
local objection = trail_objection(ARGV[1])
if objection then return objection end
append_record(ARGV[2], ARGV[3])
local now = time_ms(ARGV[4])
note(entry, ARGV[7])
redis.call('HDEL', entry, 'held_limit', 'held_spent', 'held_ms', 'asked', 'approved_hash', 'approved_cents', 'approved_by')
-- a Redis that lost its newest writes may have lost an approval, and the send after it
local ledger = redis.call('HMGET', 'refunds:ledger', 'epoch_ms', 'mode')
local is_known = tonumber(known[2] or '0') > tonumber(ledger[1] or '0') and ledger[2] ~= 'after_loss'
bury(entry, key, now, 'declined', is_known and 'not_sent' or 'unknown', ARGV[6])
return 'dead'
