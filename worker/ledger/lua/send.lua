-- send: write down that the call is about to be made, before it is made, and take the order if it is not held yet.
-- ARGV[1] now_ms or ''   ARGV[2] key   ARGV[3] token of the claim   ARGV[4] order as <shop>:<entity id>
-- ARGV[5] send number   ARGV[6] what is sent (JSON)
-- ARGV[7] '1' when the shop was asked, and proved that no send happened that the ledger does not know of
-- ARGV[8] money it will be, in cents, where a limit applies, else ''   ARGV[9] limits of the settings or '' (money.lua)
-- returns  "ok" | "order busy" | "paused" | "cancelled" with its campaign | "stale fence"
--          | "over job|day|campaign <limit> <spent>": nothing may be sent
local entry = entry_of(ARGV[2])
if not is_held(entry, ARGV[3]) then return 'stale fence' end
local known = redis.call('HMGET', entry, 'shop', 'lane', 'campaign', 'state', 'sends')
if is_paused(known[1], known[2]) then return 'paused' end
local said = campaign_state(known[3])
if said == 'paused' or said == 'draft' then return 'paused' end
-- A send in doubt may be repeated under its own number: that is how it ends. A new one may not.
if said == 'cancelled' and not (known[4] == 'in_doubt' and known[5] == ARGV[5]) then return 'cancelled' end
if not take_order(entry, ARGV[2], ARGV[4]) then return 'order busy' end
local time = time_ms(ARGV[1])
local now = string.format('%d', time)
if ARGV[8] ~= '' then
  -- what was sent before is spent, whatever the limits say now
  local over = reserve(entry, tonumber(ARGV[8]), ARGV[9], time, known[4] == 'in_doubt')
  if over then return 'over ' .. table.concat(over, ' ') end
end
if redis.call('HGET', entry, 'sends') ~= ARGV[5] then redis.call('HSET', entry, 'first_ms', now, 'spent', 0) end
if ARGV[7] == '1' then redis.call('HSET', entry, 'cleared_ms', now, 'look_first', 0) end
redis.call('HSET', entry, 'sends', ARGV[5], 'sent', ARGV[6], 'sent_ms', now)
move(entry, 'sent')
return 'ok'
