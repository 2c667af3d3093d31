-- send: write down that the call is about to be made, before it is made, and take the order if it is not held yet.
-- ARGV[1] now_ms or ''   ARGV[2] key   ARGV[3] token of the claim   ARGV[4] order as <shop>:<entity id>
-- ARGV[5] send number   ARGV[6] what is sent (JSON)
-- ARGV[7] '1' when the shop was asked, and proved that no send happened that the ledger does not know of
-- ARGV[8] money it will be, in cents, where a limit applies, else ''   ARGV[9] limits of the settings or '' (money.lua)
-- ARGV[10] up to when this ledger may have lost something, as the claim learnt it
-- returns  "ok" | "order busy" | "paused" | "cancelled" with its campaign | "stale fence"
--          | "server changed" since the claim: what another worker sent meanwhile may be lost, so the shop is asked first
--          | "over job|day|campaign <limit> <spent>": nothing may be sent
local key, entry = ARGV[2], entry_of(ARGV[2])
local known = redis.call('HMGET', entry, 'fence', 'holder', 'shop', 'lane', 'campaign', 'state', 'sends', 'cents')
local shop, lane, campaign, state, sends = known[3], known[4], known[5], known[6], known[7]
if not is_token(ARGV[3], known[1], known[2]) then return 'stale fence' end
if has_changed(ARGV[10]) then return 'server changed' end
if is_paused(shop, lane) then return 'paused' end
local said = campaign_state(campaign)
if said == 'paused' or said == 'draft' then return 'paused' end
-- A send in doubt may be repeated under its own number: that is how it ends. A new one may not.
if said == 'cancelled' and not (state == 'in_doubt' and sends == ARGV[5]) then return 'cancelled' end
if not take_order(key, ARGV[4]) then return 'order busy' end
local time = time_ms(ARGV[1])
local now = string.format('%d', time)
if ARGV[8] ~= '' then
  -- what was sent before is spent, whatever the limits say now
  local over = reserve(entry, tonumber(ARGV[8]), ARGV[9], time, state == 'in_doubt')
  if over then
    redis.call('HSET', entry, 'order', ARGV[4])
    return 'over ' .. table.concat(over, ' ')
  end
end
local fields = { 'state', 'sent', 'order', ARGV[4], 'sends', ARGV[5], 'sent', ARGV[6], 'sent_ms', now }
if sends ~= ARGV[5] then
  push_pair(fields, 'first_ms', now)
  push_pair(fields, 'spent', 0)
end
if ARGV[7] == '1' then
  push_pair(fields, 'cleared_ms', now)
  push_pair(fields, 'look_first', 0)
end
redis.call('HSET', entry, unpack(fields))
if state ~= 'sent' then count_move(add, state, 'sent', campaign, known[8]) end
return 'ok'
