-- settle: record the final outcome of a key, once; free its order; close its dead letter if it had one.
-- What was sent is kept until the credit memo is confirmed, where the shop's memos are read back.
-- ARGV[1] now_ms or ''   ARGV[2] key   ARGV[3] token of the claim   ARGV[4] result (JSON)   ARGV[5] history line (JSON)
-- ARGV[6] '1' when the credit memo shall be read back   ARGV[7] money of it in cents, where a limit applies, else ''
-- returns  "settled" | "already" | "stale fence"
local key, entry = ARGV[2], entry_of(ARGV[2])
local known = read_hash(entry)
if known.state == 'settled' then return 'already' end
if not is_token(ARGV[3], known.fence, known.holder) then return 'stale fence' end
local now = time_ms(ARGV[1])
-- money that was given back with a dead letter, or of a send that this ledger had lost
local spent = not known.money_day and (known.money or ARGV[7]) or ''
if spent ~= '' then reserve(entry, tonumber(spent), '', now, true) end
if known.order then unlock(known.order, key, now) end
redis.call('SREM', 'refunds:held:' .. known.holder, key)

local fields = { 'state', 'settled', 'result', ARGV[4], 'updated_ms', string.format('%d', now) }
if ARGV[5] ~= '' then push_pair(fields, 'history', with_line(known.history, ARGV[5])) end
redis.call('HSET', entry, unpack(fields))
count_move(add, known.state, 'settled', known.campaign, known.cents)
local gone = {}
for _, name in ipairs({ 'order', 'holder', 'sent_ms', 'looks', 'tries', 'spent', 'if_absent', 'deaths', 'strays', 'faults',
  'calls', 'first_ms', 'look_first', 'reason', 'verdict', 'message', 'cleared_ms' }) do
  if known[name] then table.insert(gone, name) end
end
if ARGV[6] == '1' then
  redis.call('ZADD', 'refunds:unconfirmed:' .. known.shop, now, key)
else
  table.insert(gone, 'sent')
  redis.call('ZADD', 'refunds:unpacked', now, key)
  if known.campaign then add('refunds:campaign:' .. known.campaign .. ':confirmed', 'not_asked', 1) end
end
redis.call('HDEL', entry, unpack(gone)) -- its holder at least
if known.campaign then count_pace(known.campaign, now, tonumber(string.match(ARGV[5], '"call_ms":(%d+)'))) end
local letter = redis.call('HGET', 'refunds:dead_index', key)
if letter then
  letters().remove('refunds:dead', letter)
  redis.call('HDEL', 'refunds:dead_index', key)
end
return 'settled'
