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
local answers, keys, shops, backlogs = {}, {}, {}, lists()
for i = 3, #ARGV, 6 do
  local key, entry, shop, cents, limits = ARGV[i], entry_of(ARGV[i]), ARGV[i + 2], ARGV[i + 3], ARGV[i + 5]
  local known = redis.call('HMGET', entry, 'fingerprint', 'campaign')
  if known[1] then
    table.insert(answers, { known[1] == ARGV[i + 1] and 'duplicate' or 'key_conflict', known[2] or '' })
  else
    local fields = { 'doc', ARGV[i + 4], 'fingerprint', ARGV[i + 1], 'shop', shop, 'lane', 'bulk',
      'accepted_ms', string.format('%d', now), 'fence', 0, 'sends', 0, 'campaign', ARGV[2] }
    if cents ~= '' then push_pair(fields, 'cents', cents) end
    local may_go = true
    if is_limited(ARGV[2], limits) then
      redis.call('HSET', entry, unpack(fields))
      fields, may_go = {}, admit(entry, key, cents, limits, now)
    end
    if may_go then
      redis.call('HSET', entry, 'state', 'waiting', unpack(fields))
      count_move(gather, nil, 'waiting', ARGV[2], cents ~= '' and cents)
      table.insert(backlogs[shop], key)
    end
    table.insert(shops, shop)
    table.insert(keys, key)
    table.insert(answers, { 'accepted', '' })
  end
end
call_with_all('RPUSH', campaign .. ':keys', keys)
for shop, waiting in pairs(backlogs) do call_with_all('RPUSH', campaign .. ':backlog:' .. shop, waiting) end
call_with_all('SADD', campaign .. ':shops', shops)
add('refunds:counts', 'accepted', #keys)
add(campaign, 'accepted', #keys)
add_gathered()
return answers
