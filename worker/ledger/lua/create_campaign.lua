-- create_campaign: note a new campaign as a draft, or say what is known of that name.
-- ARGV[1] now_ms or ''   ARGV[2] name   ARGV[3] content hash of the file or ''   ARGV[4..] field, value pairs
-- returns  {"created" | "exists", name of an earlier campaign that was made from the same content, or ''}
local campaign = 'refunds:campaign:' .. ARGV[2]
local earlier = ARGV[3] ~= '' and redis.call('HGET', 'refunds:campaigns:files', ARGV[3]) or ''
if redis.call('EXISTS', campaign) == 1 then return { 'exists', earlier } end
local now = string.format('%d', time_ms(ARGV[1]))
redis.call('HSET', campaign, 'state', 'draft', 'created_ms', now, 'accepted', 0, 'sha256', ARGV[3])
for i = 4, #ARGV, 2 do redis.call('HSET', campaign, ARGV[i], ARGV[i + 1]) end
if ARGV[3] ~= '' then redis.call('HSETNX', 'refunds:campaigns:files', ARGV[3], ARGV[2]) end
redis.call('ZADD', 'refunds:campaigns', now, ARGV[2])
redis.call('SADD', 'refunds:campaigns:open', ARGV[2])
return { 'created', earlier }
