-- defer: give the claim back and come again later; nothing is decided yet.
-- ARGV[1] now_ms or ''   ARGV[2] key   ARGV[3] token of the claim   ARGV[4] to: "queued" | "waiting" | "in_doubt"
-- ARGV[5] delay_ms   ARGV[6] "keep" or "free" the order   ARGV[7] history line (JSON) or ''
-- ARGV[8..] field, value pairs to keep with the entry
-- returns  "ok" | "stale fence"
local key, entry = ARGV[2], entry_of(ARGV[2])
if not is_held(entry, ARGV[3]) then return 'stale fence' end
local now = time_ms(ARGV[1])
note(entry, ARGV[7])
if ARGV[6] == 'free' then free_order(entry, key, now) end
let_go(entry, key)
for i = 8, #ARGV, 2 do redis.call('HSET', entry, ARGV[i], ARGV[i + 1]) end
redis.call('ZADD', 'refunds:due', now + tonumber(ARGV[5]), key)
move(entry, ARGV[4])
return 'ok'
