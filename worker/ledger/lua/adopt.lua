-- adopt: take over what dead workers held. Claimed entries are queued again, sent ones are in doubt from now on;
--        an entry whose attempt was under way when its holder died is quarantined at the third time, so that it kills
--        no fourth worker; one that only waited in a dead worker's hand is innocent, and quarantined much later.
-- ARGV[1] now_ms or ''   ARGV[2] lease_ms   ARGV[3] how many keys at most   ARGV[4] deaths that make a poison job   ARGV[5] deaths of its holder while it waited that make one
--        While Redis itself was away nobody could beat: after its restart every worker has a whole lease to speak up.
-- returns  {{key, state it was found in, worker, ms since the worker's last beat}, ...}
local now = time_ms(ARGV[1])
local room = tonumber(ARGV[3])
local adopted = {}
local ledger = redis.call('HMGET', 'refunds:ledger', 'epoch_ms', 'mode')
if now - tonumber(ledger[1] or '0') < tonumber(ARGV[2]) then return adopted end

-- Whether nothing can have been sent, also nothing of which this ledger lost the record.
local function is_unsent(sends, accepted_ms, look_first)
  return sends == '0' and look_first ~= '1' and ledger[2] ~= 'after_loss'
    and tonumber(accepted_ms) > tonumber(ledger[1] or '0')
end

for _, worker in ipairs(redis.call('ZRANGEBYSCORE', 'refunds:workers', '-inf', now - tonumber(ARGV[2]))) do
  local held = 'refunds:held:' .. worker
  local beat = tonumber(redis.call('ZSCORE', 'refunds:workers', worker))
  for _, key in ipairs(redis.call('SRANDMEMBER', held, room)) do
    local entry = entry_of(key)
    local known = redis.call('HMGET', entry, 'state', 'holder', 'sends', 'accepted_ms', 'look_first', 'order')
    redis.call('SREM', held, key)
    room = room - 1
    if known[2] == worker then
      redis.call('HDEL', entry, 'holder')
      redis.call('HINCRBY', entry, 'fence', 1)
      local is_under_way = known[1] == 'sent' or (known[1] == 'claimed' and known[6])
      local deaths = redis.call('HINCRBY', entry, is_under_way and 'deaths' or 'strays', 1)
      local limit = tonumber(is_under_way and ARGV[4] or ARGV[5])
      table.insert(adopted, { key, known[1], worker, string.format('%d', now - beat) })
      if deaths >= limit and known[1] == 'claimed' then
        local verdict = is_unsent(known[3], known[4], known[5]) and 'not_sent' or 'unknown'
        free_order(entry, key, now)
        bury(entry, key, now, 'poison', verdict, 'the worker that held this job died ' .. deaths .. ' times')
      else
        if known[1] == 'sent' then move(entry, 'in_doubt') end
        if known[1] == 'claimed' then
          free_order(entry, key, now)
          move(entry, 'queued')
        end
        redis.call('ZADD', 'refunds:due', now, key)
      end
    end
  end
  if redis.call('SCARD', held) == 0 then redis.call('ZREM', 'refunds:workers', worker) end
  if room <= 0 then break end
end
return adopted
