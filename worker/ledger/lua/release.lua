-- release: give a claim back after trouble of our own, when nobody knows what the last move did.
-- ARGV[1] now_ms or ''   ARGV[2] key   ARGV[3] fence
-- returns  "ok" | "stale fence"
local key, entry = ARGV[2], entry_of(ARGV[2])
if not is_held(entry, ARGV[3]) then return 'stale fence' end
local now = time_ms(ARGV[1])
local state = redis.call('HGET', entry, 'state')
let_go(entry, key)
if state == 'claimed' then
  free_order(entry, key, now)
  move(entry, 'queued')
elseif state == 'sent' then
  move(entry, 'in_doubt')
end
redis.call('ZADD', 'refunds:due', now, key)
return 'ok'
