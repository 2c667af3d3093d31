-- replay: send a dead letter's job again under its own key; the shop is asked for its marker before anything is sent.
-- ARGV[1] now_ms or ''   ARGV[2] key   ARGV[3] history line (JSON)
-- returns  "queued" | "missing" | the state, when it is not dead
local key, entry = ARGV[2], entry_of(ARGV[2])
local state = redis.call('HGET', entry, 'state')
if not state then return 'missing' end
if state ~= 'dead' then return state end
note(entry, ARGV[3])
redis.call('HDEL', entry, 'looks', 'tries', 'if_absent', 'deaths', 'strays', 'faults', 'calls', 'cleared_ms')
redis.call('HSET', entry, 'look_first', 1)
move(entry, 'queued')
redis.call('ZADD', 'refunds:due', time_ms(ARGV[1]), key)
return 'queued'
