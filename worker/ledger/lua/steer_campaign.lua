-- steer_campaign: change the state of a campaign, or only its fields. Every claim, send and feed from now on obeys.
-- ARGV[1..3] of the audit trail: hash of the record before, record, its hash
-- ARGV[4] now_ms or ''   ARGV[5] name   ARGV[6] states from which it is allowed, with spaces between
-- ARGV[7] new state, or '' to leave it   ARGV[8..] field, value pairs; the value "now" stands for the time (ms)
-- returns  {"ok" | "missing" | "refused", state before, jobs that are at the shop or in doubt}, or what the trail objects
local campaign = 'refunds:campaign:' .. ARGV[5]
local before = redis.call('HGET', campaign, 'state')
if not before then return { 'missing', '', '0' } end
local counts = redis.call('HMGET', campaign .. ':counts', 'sent', 'in_doubt')
local in_flight = string.format('%d', tonumber(counts[1] or '0') + tonumber(counts[2] or '0'))
if not string.find(' ' .. ARGV[6] .. ' ', ' ' .. before .. ' ', 1, true) then return { 'refused', before, in_flight } end
local objection = trail_objection(ARGV[1])
if objection then return objection end
append_record(ARGV[2], ARGV[3])
local now = string.format('%d', time_ms(ARGV[4]))
if ARGV[7] ~= '' then
  redis.call('HSET', campaign, 'state', ARGV[7])
  redis.call('SADD', 'refunds:campaigns:open', ARGV[5])
end
for i = 8, #ARGV, 2 do redis.call('HSET', campaign, ARGV[i], ARGV[i + 1] == 'now' and now or ARGV[i + 1]) end
return { 'ok', before, in_flight }
