-- lock: take the order before reading it, so that nothing of ours changes it until the job is done.
-- ARGV[1] key   ARGV[2] token of the claim   ARGV[3] order as <shop>:<entity id>
-- returns  "ok" | "order busy" | "stale fence"
local entry = entry_of(ARGV[1])
if not is_held(entry, ARGV[2]) then return 'stale fence' end
return take_order(entry, ARGV[1], ARGV[3]) and 'ok' or 'order busy'
