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

-- The fields that stay, as they are, and the pieces from place `at` on.
local function packed_form(entry, at, pieces)
  local fields = {}
  for name in string.gmatch(ARGV[1], '%S+') do
    local value = redis.call('HGET', entry, name)
    if value then
      table.insert(fields, name)
      table.insert(fields, value)
    end
  end
  for piece = 0, pieces - 1 do
    table.insert(fields, string.format('%d', piece))
    table.insert(fields, ARGV[at + piece])
  end
  return fields
end

local packed, at = {}, 3 + 2 * ARGV[2]
while at <= #ARGV do
  local key, entry, pieces = ARGV[at], entry_of(ARGV[at]), tonumber(ARGV[at + 3])
  local known = redis.call('HMGET', entry, 'state', 'updated_ms', 'confirmed', 'holder', '0', 'campaign')
  local is_same = (known[2] or '') == ARGV[at + 1] and (known[3] or '') == ARGV[at + 2]
  redis.call('ZREM', 'refunds:unpacked', key)
  if pieces > 0 and known[1] == 'settled' and is_same and not known[4] and not known[5] and is_ours[known[6] or ''] then
    local fields = packed_form(entry, at + 4, pieces)
    redis.call('DEL', entry)
    redis.call('HSET', entry, unpack(fields))
    table.insert(packed, key)
  end
  at = at + 4 + pieces
end
return packed
