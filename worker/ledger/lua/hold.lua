-- hold: lay an entry aside that is over a limit on money, until people approve or decline it. Nothing of it is sent.
-- ARGV[1] now_ms or ''   ARGV[2] key   ARGV[3] token of the claim   ARGV[4] reason: "over_job_limit" | "over_day_limit"
-- | "over_campaign_limit" | "amount_unknown"   ARGV[5] limit   ARGV[6] spent of it   ARGV[7] asked; all three in cents or ''
-- ARGV[8] history line (JSON)
-- returns  "ok" | "stale fence"
local key, entry = ARGV[2], entry_of(ARGV[2])
if not is_held(entry, ARGV[3]) then return 'stale fence' end
local now = time_ms(ARGV[1])
note(entry, ARGV[8])
free_order(entry, key, now)
let_go(entry, key)
hold(entry, key, now, { ARGV[4], ARGV[5], ARGV[6] }, ARGV[7])
return 'ok'
