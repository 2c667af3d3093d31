-- accept_campaign: write the entries of a campaign's jobs and lay their keys in its backlog. One call carries many jobs;
--                  the same call again finds its keys and adds nothing, so an import that was cut off is begun anew.
-- ARGV[1] now_ms or ''   ARGV[2] campaign
-- then 6 per job: key, fingerprint, shop, money asked in cents or '', document (JSON), limits of the settings or ''
-- what goes over a limit on money is accepted as well, and held
-- returns  {} where the campaign is not there or was cancelled,
--          or per job: "accepted" | "duplicate" | "key_conflict", campaign of the entry that was there ('' when accepted)
local campaign = 'refunds:campaign:' .. ARGV[2]
local state = redis.call('HGET', campaign, 'state')
if not state or state == 'cancelled' then return {} end
local now = time_ms(ARGV[1])
local answers, fresh = {}, 0
for i = 3, #ARGV, 6 do
  local key, entry = ARGV[i], entry_of(ARGV[i])
  local known = redis.call('HMGET', entry, 'fingerprint', 'campaign')
  if known[1] then
    table.insert(answers, { known[1] == ARGV[i + 1] and 'duplicate' or 'key_conflict', known[2] or '' })
  else
    redis.call('HSET', entry, 'doc', ARGV[i + 4], 'fingerprint', ARGV[i + 1], 'shop', ARGV[i + 2], 'lane', 'bulk',
      'accepted_ms', string.format('%d', now), 'fence', 0, 'sends', 0, 'campaign', ARGV[2])
    if ARGV[i + 3] ~= '' then redis.call('HSET', entry, 'cents', ARGV[i + 3]) end
    redis.call('RPUSH', campaign .. ':keys', key)
    if admit(entry, key, ARGV[2], ARGV[i + 3], ARGV[i + 5], now) then
      move(entry, 'waiting')
      redis.call('RPUSH', campaign .. ':backlog:' .. ARGV[i + 2], key)
    end
    redis.call('SADD', campaign .. ':shops', ARGV[i + 2])
    fresh = fresh + 1
    table.insert(answers, { 'accepted', '' })
  end
end
redis.call('HINCRBY', 'refunds:counts', 'accepted', fresh)
redis.call('HINCRBY', campaign, 'accepted', fresh)
return answers
