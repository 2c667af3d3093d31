-- replay: send a dead letter's job again under its own key; the shop is asked for its marker before anything is sent.
-- ARGV[1] now_ms or ''   ARGV[2] key   ARGV[3] history line (JSON)
-- ARGV[4] id of the letter that is meant
-- ARGV[5] id of the selection that it is replayed for, or '': in one selection a letter is replayed once
-- ARGV[6..8] of the audit trail: hash of the record before, record, its hash
-- ARGV[9] '1' when people looked, and no money moved: the send that nobody knew of counts as over, the next has a new number
-- returns  "replayed" | "missing" | the state, when it is not dead | "closed" | "changed": the key has another letter by now
--          "done": it was replayed in this selection before | an objection of the trail
local key, entry = ARGV[2], entry_of(ARGV[2])
local known = redis.call('HMGET', entry, 'state', 'closed')
if not known[1] then return 'missing' end
local results = 'refunds:selection:' .. ARGV[5] .. ':results'
if ARGV[5] ~= '' and redis.call('HEXISTS', results, key) == 1 then return 'done' end
if known[1] ~= 'dead' then return known[1] end
if known[2] then return 'closed' end
if redis.call('HGET', 'refunds:dead_index', key) ~= ARGV[4] then return 'changed' end
local objection = trail_objection(ARGV[6])
if objection then return objection end
append_record(ARGV[7], ARGV[8])
note(entry, ARGV[3])
redis.call('HDEL', entry, 'looks', 'tries', 'if_absent', 'deaths', 'strays', 'faults', 'calls', 'cleared_ms')
redis.call('HSET', entry, 'look_first', 1)
if ARGV[9] == '1' then redis.call('HSET', entry, 'spent', 1) end
move(entry, 'queued')
redis.call('ZADD', 'refunds:due', time_ms(ARGV[1]), key)
if ARGV[5] ~= '' then redis.call('HSET', results, key, 'queued') end
return 'replayed'
