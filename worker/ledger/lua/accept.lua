-- accept: write the entry of a new key, or say what is known of an old one. One call may carry many jobs.
-- ARGV[1] now_ms or ''   ARGV[2] lane   ARGV[3] sequence number of the message that will carry the new ones
-- then 7 per job: key, fingerprint, shop, campaign or '', document (JSON), money asked in cents or '', limits of the
-- settings or '' (see money.lua)
-- returns  per job: "accepted" | "duplicate" | "key_conflict", state, document of the first one ('' when accepted, or packed)
local now = time_ms(ARGV[1])
local answers = {}
for i = 4, #ARGV, 7 do
  local key, entry = ARGV[i], entry_of(ARGV[i])
  local known = redis.call('HMGET', entry, 'fingerprint', 'state', 'doc')
  if known[1] then
    local same = known[1] == ARGV[i + 1]
    table.insert(answers, { same and 'duplicate' or 'key_conflict', known[2], known[3] or '' })
  else
    redis.call('HSET', entry, 'doc', ARGV[i + 4], 'fingerprint', ARGV[i + 1], 'shop', ARGV[i + 2], 'lane', ARGV[2],
      'accepted_ms', string.format('%d', now), 'fence', 0, 'sends', 0)
    if ARGV[i + 3] ~= '' then
      redis.call('HSET', entry, 'campaign', ARGV[i + 3])
      redis.call('RPUSH', 'refunds:campaign:' .. ARGV[i + 3] .. ':keys', key)
    end
    redis.call('HINCRBY', 'refunds:counts', 'accepted', 1)
    if admit(entry, key, ARGV[i + 3], ARGV[i + 5], ARGV[i + 6], now) then
      move(entry, 'queued')
      redis.call('ZADD', 'refunds:queued:' .. ARGV[2], ARGV[3], key)
      table.insert(answers, { 'accepted', 'queued', '' })
    else
      table.insert(answers, { 'accepted', 'held', '' })
    end
  end
end
return answers
