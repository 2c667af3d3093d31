-- lock: take the order before reading it, so that nothing of ours changes it until the job is done.
-- ARGV[1] key   ARGV[2] token of the claim   ARGV[3] order as <shop>:<entity id>
-- returns  "ok" | "order busy" | "stale fence"
local entry = entry_of(ARGV[1])
if not is_held(entry, ARGV[2]) then return 'stale fence' end
if not take_order(ARGV[1], ARGV[3]) then return 'order busy' end
redis.call('HSET', entry, 'order', ARGV[3])
return 'ok'
