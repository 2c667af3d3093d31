-- accept: write the entry of a new key, or say what is known of an old one. One call may carry many jobs, and numbers the
--         message that will carry the new ones.
-- ARGV[1] now_ms or ''   ARGV[2] lane   ARGV[3] sequence number of that message, or '' for the lane's next
-- then 7 per job: key, fingerprint, shop, campaign or '', document (JSON), money asked in cents or '', limits of the
-- settings or '' (see money.lua)
-- returns  sequence number of the message ('' when there is nothing to carry), then per job:
--          "accepted" | "duplicate" | "key_conflict", state, document of the first one ('' when accepted, or packed)
local lane, message = ARGV[2], ARGV[3]
local now = time_ms(ARGV[1])
local at = string.format('%d', now)
local answers, queued, of_campaign = { message }, {}, lists()
for i = 4, #ARGV, 7 do
  local key, entry = ARGV[i], entry_of(ARGV[i])
  local campaign, limits = ARGV[i + 3], ARGV[i + 6]
  local known = redis.call('HMGET', entry, 'fingerprint', 'state', 'doc')
  if known[1] then
    local same = known[1] == ARGV[i + 1]
    answers[#answers + 1] = { same and 'duplicate' or 'key_conflict', known[2], known[3] or '' }
  else
    local fields = { 'doc', ARGV[i + 4], 'fingerprint', ARGV[i + 1], 'shop', ARGV[i + 2], 'lane', lane,
      'accepted_ms', at, 'fence', '0', 'sends', '0' }
    if campaign ~= '' then
      push_pair(fields, 'campaign', campaign)
      table.insert(of_campaign[campaign], key)
    end
    gather('refunds:counts', 'accepted', 1)
    local may_go = true
    if is_limited(campaign, limits) then
      redis.call('HSET', entry, unpack(fields))
      fields, may_go = {}, admit(entry, key, ARGV[i + 5], limits, now)
    end
    if may_go then
      if message == '' then
        message = string.format('%d', redis.call('INCR', 'refunds:seq:' .. lane))
        answers[1] = message
      end
      redis.call('HSET', entry, 'state', 'queued', unpack(fields))
      count_move(gather, nil, 'queued', campaign ~= '' and campaign)
      push_pair(queued, message, key)
    end
    answers[#answers + 1] = { 'accepted', may_go and 'queued' or 'held', '' }
  end
end
call_with_all('ZADD', 'refunds:queued:' .. lane, queued)
for campaign, keys in pairs(of_campaign) do call_with_all('RPUSH', 'refunds:campaign:' .. campaign .. ':keys', keys) end
add_gathered()
return answers
