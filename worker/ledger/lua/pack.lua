-- pack: put the packed form of settled entries in their place (worker/ledger/packing.py). What was changed since it was
--       read stays as it is, and so does what was packed against a sample that is not the one in this Redis.
-- ARGV[1] "field ..." that stay   ARGV[2] number of samples, then per sample: campaign or '', text
-- then per key: key, updated_ms and confirmed as they were read ('' where absent), number of pieces, pieces
-- returns  the keys that were packed
local is_ours = {}
for i = 3, 2 + 2 * ARGV[2], 2 do
  redis.call('HSETNX', 'refunds:samples', ARGV[i], ARGV[i + 1])
  is_ours[ARGV[i]] = redis.call('HGET', 'refunds:samples', ARGV[i]) == ARGV[i + 1]
end

local kept = {}
for name in string.gmatch(ARGV[1], '%S+') do table.insert(kept, name) end

-- The fields that stay, as they are, and the pieces from place `at` on.
local function packed_form(entry, at, pieces)
  local fields = {}
  for i, value in ipairs(redis.call('HMGET', entry, unpack(kept))) do
    if value then push_pair(fields, kept[i], value) end
  end
  for piece = 0, pieces - 1 do push_pair(fields, string.format('%d', piece), ARGV[at + piece]) end
  return fields
end

local packed, looked_at, at = {}, {}, 3 + 2 * ARGV[2]
while at <= #ARGV do
  local key, entry, pieces = ARGV[at], entry_of(ARGV[at]), tonumber(ARGV[at + 3])
  local known = redis.call('HMGET', entry, 'state', 'updated_ms', 'confirmed', 'holder', '0', 'campaign')
  local is_same = (known[2] or '') == ARGV[at + 1] and (known[3] or '') == ARGV[at + 2]
  table.insert(looked_at, key)
  if pieces > 0 and known[1] == 'settled' and is_same and not known[4] and not known[5] and is_ours[known[6] or ''] then
    local fields = packed_form(entry, at + 4, pieces)
    redis.call('DEL', entry)
    redis.call('HSET', entry, unpack(fields))
    table.insert(packed, key)
  end
  at = at + 4 + pieces
end
call_with_all('ZREM', 'refunds:unpacked', looked_at)
return packed
