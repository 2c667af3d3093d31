-- bury: make an entry a dead letter; its order is free again.
-- ARGV[1] now_ms or ''   ARGV[2] key   ARGV[3] token of the claim   ARGV[4] reason code
-- ARGV[5] verdict: "not_sent" | "refused" | "unknown"   ARGV[6] Magento's words   ARGV[7] history line (JSON)
-- ARGV[8] '1' when the shop has used up the send number
-- ARGV[9] up to when this ledger may have lost something, as the claim learnt it
-- returns  "dead" | "stale fence"
--          | "server changed" since the claim: another worker may have sent it, and nobody knows that nothing was sent
local key, entry = ARGV[2], entry_of(ARGV[2])
if not is_held(entry, ARGV[3]) then return 'stale fence' end
if ARGV[5] == 'not_sent' and has_changed(ARGV[9]) then return 'server changed' end
local now = time_ms(ARGV[1])
note(entry, ARGV[7])
free_order(entry, key, now)
let_go(entry, key)
if ARGV[8] == '1' then redis.call('HSET', entry, 'spent', 1) end
bury(entry, key, now, ARGV[4], ARGV[5], ARGV[6])
return 'dead'
