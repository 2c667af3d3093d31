-- withdraw: end a held entry whose campaign was cancelled, and of which it is proven that nothing reached the shop.
-- ARGV[1] now_ms or ''   ARGV[2] key   ARGV[3] token of the claim   ARGV[4] history line (JSON)
-- ARGV[5] up to when this ledger may have lost something, as the claim learnt it
-- returns  "ok" | "stale fence" | "server changed" since the claim, so that nothing is proven any more
local key, entry = ARGV[2], entry_of(ARGV[2])
if not is_held(entry, ARGV[3]) then return 'stale fence' end
if has_changed(ARGV[5]) then return 'server changed' end
local now = time_ms(ARGV[1])
note(entry, ARGV[4])
free_order(entry, key, now)
let_go(entry, key)
redis.call('HSET', entry, 'updated_ms', string.format('%d', now))
move(entry, 'cancelled')
return 'ok'
