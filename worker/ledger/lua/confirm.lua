-- confirm: add to settled entries what their credit memos turned out to be. How they settled stays as it is.
-- ARGV[1] now_ms or ''   ARGV[2] shop   then per key: key, facts (JSON), history line (JSON; '' where all is as asked)
-- returns  the keys that were written; the others were confirmed before
local waiting, now = 'refunds:unconfirmed:' .. ARGV[2], time_ms(ARGV[1])
local written = {}
for i = 3, #ARGV, 3 do
  local key, entry = ARGV[i], entry_of(ARGV[i])
  if redis.call('ZREM', waiting, key) == 1 and redis.call('HGET', entry, 'state') == 'settled' then
    redis.call('HSET', entry, 'confirmed', ARGV[i + 1])
    redis.call('HDEL', entry, 'sent')
    note(entry, ARGV[i + 2])
    if ARGV[i + 2] ~= '' then redis.call('ZADD', 'refunds:mismatches', now, key) end
    table.insert(written, key)
  end
end
return written
