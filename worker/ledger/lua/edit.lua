-- edit: give a dead letter's job another document: a new revision under the same key. Only while nothing was sent, or it
--       is proven that nothing happened. The letter is written anew, so that whoever looked at the old one notices.
-- ARGV[1] now_ms or ''   ARGV[2] key   ARGV[3] id of the letter that was looked at   ARGV[4] document (JSON)
-- ARGV[5] fingerprint   ARGV[6] shop   ARGV[7] money asked in cents or ''   ARGV[8] history line (JSON)
-- ARGV[9..11] of the audit trail: hash of the record before, record, its hash
-- returns  "edited" | "missing" | "closed" | the state, when it is not dead | "changed": the key has another letter by now
--          "unknown": money may have moved   "sent": it was sent to another shop | an objection of the trail
local key, entry = ARGV[2], entry_of(ARGV[2])
local known = redis.call('HMGET', entry, 'state', 'closed', 'verdict', 'reason', 'message', 'sends', 'shop', 'revision',
  'campaign', 'cents')
if not known[1] then return 'missing' end
if known[1] ~= 'dead' then return known[1] end
if known[2] then return 'closed' end
if redis.call('HGET', 'refunds:dead_index', key) ~= ARGV[3] then return 'changed' end
if known[3] == 'unknown' then return 'unknown' end
if ARGV[6] ~= known[7] and known[6] ~= '0' then return 'sent' end
local objection = trail_objection(ARGV[9])
if objection then return objection end
append_record(ARGV[10], ARGV[11])
note(entry, ARGV[8])
if known[9] then -- what the campaign's dead letters ask for
  local counts = 'refunds:campaign:' .. known[9] .. ':counts'
  local more = tonumber(ARGV[7] ~= '' and ARGV[7] or '0') - tonumber(known[10] or '0')
  if more ~= 0 then redis.call('HINCRBY', counts, 'dead_cents', string.format('%d', more)) end
  if ARGV[7] ~= '' then redis.call('HSET', entry, 'cents', ARGV[7]) else redis.call('HDEL', entry, 'cents') end
end
redis.call('HSET', entry, 'doc', ARGV[4], 'fingerprint', ARGV[5], 'shop', ARGV[6],
  'revision', tonumber(known[8] or '1') + 1, 'look_first', 1)
redis.call('HDEL', entry, 'sent', 'if_absent') -- of the old document: the next look-up must not go to its order
bury(entry, key, time_ms(ARGV[1]), known[4], known[3], known[5])
return 'edited'
