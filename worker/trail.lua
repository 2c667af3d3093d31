-- Of the audit trail; put before each script that appends to it, so that an act and its record are one move.
--   refunds:trail    stream  every act of people, one record each: record (canonical JSON), hash; never trimmed
--   refunds:ledger   hash    trail_count, trail_hash: how many records there are, and the hash of the last

-- Whether a record made for this predecessor may be appended now: nil when it may, else what the move must answer.
--   "no ledger", or {"moved on", count, hash of the last record, now_ms}: make the record anew and come again
local function trail_objection(previous)
  local head = redis.call('HMGET', 'refunds:ledger', 'id', 'trail_count', 'trail_hash')
  if not head[1] then return 'no ledger' end
  if (head[3] or '') == previous then return nil end
  local now = redis.call('TIME')
  return { 'moved on', head[2], head[3], string.format('%d', now[1] * 1000 + math.floor(now[2] / 1000)) }
end

-- Append a record that has no objection.
local function append_record(record, hash)
  redis.call('XADD', 'refunds:trail', '*', 'record', record, 'hash', hash)
  redis.call('HINCRBY', 'refunds:ledger', 'trail_count', 1)
  redis.call('HSET', 'refunds:ledger', 'trail_hash', hash)
end
