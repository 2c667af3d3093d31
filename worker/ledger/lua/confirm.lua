-- confirm: add to settled entries what their credit memos turned out to be. How they settled stays as it is.
-- ARGV[1] now_ms or ''   ARGV[2] shop   then per key: key, facts (JSON), history line (JSON; '' where all is as asked)
-- returns  the keys that were written; the others were confirmed before

-- What a campaign refunded, as its credit memos say: the amount has two decimals, so its digits are the cents.
local function count_confirmed(campaign, result, facts, is_mismatch)
  local counts = 'refunds:campaign:' .. campaign .. ':confirmed'
  gather(counts, 'jobs', 1)
  if is_mismatch then gather(counts, 'mismatches', 1) end
  local read = cjson.decode(facts)
  if read.base_grand_total then
    local is_stored = string.find(result or '', '"service":"creditmemo_save"', 1, true)
    local field = (is_stored and 'persisted_cents:' or 'cents:') .. (read.base_currency_code or '')
    local cents = string.gsub(read.base_grand_total, '%.', '')
    gather(counts, field, tonumber(cents))
  end
end

local waiting, now = 'refunds:unconfirmed:' .. ARGV[2], time_ms(ARGV[1])
local keys, written, unpacked = {}, {}, {}
for i = 3, #ARGV, 3 do table.insert(keys, ARGV[i]) end
local is_waiting = scores_of(waiting, keys)
call_with_all('ZREM', waiting, keys)
for i = 3, #ARGV, 3 do
  local key, entry = ARGV[i], entry_of(ARGV[i])
  local known = is_waiting[key] and redis.call('HMGET', entry, 'state', 'campaign', 'result') or {}
  is_waiting[key] = false
  if known[1] == 'settled' then
    redis.call('HSET', entry, 'confirmed', ARGV[i + 1])
    redis.call('HDEL', entry, 'sent')
    note(entry, ARGV[i + 2])
    if known[2] then count_confirmed(known[2], known[3], ARGV[i + 1], ARGV[i + 2] ~= '') end
    if ARGV[i + 2] ~= '' then redis.call('ZADD', 'refunds:mismatches', now, key) end
    push_pair(unpacked, now, key)
    table.insert(written, key)
  end
end
call_with_all('ZADD', 'refunds:unpacked', unpacked)
add_gathered()
return written
