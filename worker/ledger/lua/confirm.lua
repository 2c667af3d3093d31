-- confirm: add to settled entries what their credit memos turned out to be. How they settled stays as it is.
-- ARGV[1] now_ms or ''   ARGV[2] shop   then per key: key, facts (JSON), history line (JSON; '' where all is as asked)
-- returns  the keys that were written; the others were confirmed before

-- What a campaign refunded, as its credit memos say: the amount has two decimals, so its digits are the cents.
local function count_confirmed(entry, facts, is_mismatch)
  local known = redis.call('HMGET', entry, 'campaign', 'result')
  if not known[1] then return end
  local counts = 'refunds:campaign:' .. known[1] .. ':confirmed'
  redis.call('HINCRBY', counts, 'jobs', 1)
  if is_mismatch then redis.call('HINCRBY', counts, 'mismatches', 1) end
  local read = cjson.decode(facts)
  if read.base_grand_total then
    local is_stored = string.find(known[2] or '', '"service":"creditmemo_save"', 1, true)
    local field = (is_stored and 'persisted_cents:' or 'cents:') .. (read.base_currency_code or '')
    local cents = string.gsub(read.base_grand_total, '%.', '')
    redis.call('HINCRBY', counts, field, string.format('%d', tonumber(cents)))
  end
end

local waiting, now = 'refunds:unconfirmed:' .. ARGV[2], time_ms(ARGV[1])
local written = {}
for i = 3, #ARGV, 3 do
  local key, entry = ARGV[i], entry_of(ARGV[i])
  if redis.call('ZREM', waiting, key) == 1 and redis.call('HGET', entry, 'state') == 'settled' then
    redis.call('HSET', entry, 'confirmed', ARGV[i + 1])
    redis.call('HDEL', entry, 'sent')
    note(entry, ARGV[i + 2])
    count_confirmed(entry, ARGV[i + 1], ARGV[i + 2] ~= '')
    if ARGV[i + 2] ~= '' then redis.call('ZADD', 'refunds:mismatches', now, key) end
    redis.call('ZADD', 'refunds:unpacked', now, key)
    table.insert(written, key)
  end
end
return written
