-- release: give a claim back after trouble, when nobody knows what the last move did.
-- ARGV[1] now_ms or ''   ARGV[2] key   ARGV[3] token of the claim   ARGV[4] '1' when a fault of our own was the cause
-- ARGV[5] faults that make a dead letter
-- returns  "ok" | "dead" | "stale fence"
local key, entry = ARGV[2], entry_of(ARGV[2])
if not is_held(entry, ARGV[3]) then return 'stale fence' end
local now = time_ms(ARGV[1])
local state = redis.call('HGET', entry, 'state')
let_go(entry, key)
local faults = ARGV[4] == '1' and redis.call('HINCRBY', entry, 'faults', 1) or 0
if faults > 0 and faults >= tonumber(ARGV[5]) then
  free_order(entry, key, now)
  local verdict = state == 'claimed' and is_surely_unsent(entry) and 'not_sent' or 'unknown'
  bury(entry, key, now, 'internal_error', verdict, 'the worker failed on this job ' .. faults .. ' times; its log says how')
  return 'dead'
end
if state == 'claimed' then
  free_order(entry, key, now)
  move(entry, 'queued')
elseif state == 'sent' then
  move(entry, 'in_doubt')
end
redis.call('ZADD', 'refunds:due', now + (faults > 0 and 1000 * 2 ^ faults or 0), key)
return 'ok'
