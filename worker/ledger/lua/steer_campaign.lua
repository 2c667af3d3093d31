-- steer_campaign: change the state of a campaign, or only its fields. Every claim, send and feed from now on obeys.
-- ARGV[1] now_ms or ''   ARGV[2] name   ARGV[3] states from which it is allowed, with spaces between
-- ARGV[4] new state, or '' to leave it   ARGV[5..] field, value pairs; the value "now" stands for the time (ms)
-- returns  {"ok" | "missing" | "refused", state before, jobs that are at the shop or in doubt}
local campaign = 'refunds:campaign:' .. ARGV[2]
local before = redis.call('HGET', campaign, 'state')
if not before then return { 'missing', '', '0' } end
local counts = redis.call('HMGET', campaign .. ':counts', 'sent', 'in_doubt')
local in_flight = string.format('%d', tonumber(counts[1] or '0') + tonumber(counts[2] or '0'))
if not string.find(' ' .. ARGV[3] .. ' ', ' ' .. before .. ' ', 1, true) then return { 'refused', before, in_flight } end
local now = string.format('%d', time_ms(ARGV[1]))
if ARGV[4] ~= '' then
  redis.call('HSET', campaign, 'state', ARGV[4])
  redis.call('SADD', 'refunds:campaigns:open', ARGV[2])
end
for i = 5, #ARGV, 2 do redis.call('HSET', campaign, ARGV[i], ARGV[i + 1] == 'now' and now or ARGV[i + 1]) end
return { 'ok', before, in_flight }
