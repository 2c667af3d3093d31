-- initialise: make this Redis a ledger, or change how far it is trusted.
-- ARGV[1] now_ms or ''   ARGV[2] "first" | "after_loss" | "trust"   ARGV[3] id for a new ledger   ARGV[4] run id or ''
-- returns  "created" | "exists" | "after_loss" | "trusted" | "no ledger"
local now = string.format('%d', time_ms(ARGV[1]))
local exists = redis.call('EXISTS', 'refunds:ledger') == 1
if ARGV[2] == 'trust' then
  if not exists then return 'no ledger' end
  redis.call('HSET', 'refunds:ledger', 'mode', 'normal')
  return 'trusted'
end
if exists and ARGV[2] == 'first' then return 'exists' end
if not exists then
  redis.call('HSET', 'refunds:ledger', 'id', ARGV[3], 'created_ms', now, 'run_id', ARGV[4], 'epoch_ms', 0,
    'mode', 'normal')
end
if ARGV[2] == 'after_loss' then
  redis.call('HSET', 'refunds:ledger', 'mode', 'after_loss', 'mode_since_ms', now)
  return 'after_loss'
end
return 'created'
