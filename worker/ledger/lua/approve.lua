-- approve: let a held entry go, though it is over a limit. The approval is good for this content and for no more money
--          than was seen; from now on that money counts as spent.
-- ARGV[1..3] of the audit trail: hash of the record before, record, its hash
-- ARGV[4] now_ms or ''   ARGV[5] key   ARGV[6] fingerprint of the content that was looked at
-- ARGV[7] money that was looked at, in cents, or ''   ARGV[8] who approves   ARGV[9] history line (JSON)
-- returns  "queued" | "missing" | "changed": look at it again | the state, when it is not held | what the trail objects
local key, entry = ARGV[5], entry_of(ARGV[5])
local known = redis.call('HMGET', entry, 'state', 'fingerprint', 'asked')
if not known[1] then return 'missing' end
if known[1] ~= 'held' then return known[1] end
if known[2] ~= ARGV[6] or (known[3] or '') ~= ARGV[7] then return 'changed' end
local objection = trail_objection(ARGV[1])
if objection then return objection end
append_record(ARGV[2], ARGV[3])
local now = time_ms(ARGV[4])
note(entry, ARGV[9])
redis.call('HSET', entry, 'approved_hash', known[2], 'approved_cents', ARGV[7], 'approved_by', ARGV[8],
  'updated_ms', string.format('%d', now))
redis.call('HDEL', entry, 'reason', 'message', 'held_limit', 'held_spent', 'held_ms', 'asked')
if ARGV[7] ~= '' then reserve(entry, tonumber(ARGV[7]), '', now, true) end
move(entry, 'queued')
redis.call('ZADD', 'refunds:due', now, key)
return 'queued'
