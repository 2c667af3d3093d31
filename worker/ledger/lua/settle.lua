-- settle: record the final outcome of a key, once; free its order; close its dead letter if it had one.
-- What was sent is kept until the credit memo is confirmed, where the shop's memos are read back.
-- ARGV[1] now_ms or ''   ARGV[2] key   ARGV[3] token of the claim   ARGV[4] result (JSON)   ARGV[5] history line (JSON)
-- ARGV[6] '1' when the credit memo shall be read back   ARGV[7] money of it in cents, where a limit applies, else ''
-- returns  "settled" | "already" | "stale fence"
local key, entry = ARGV[2], entry_of(ARGV[2])
local known = redis.call('HMGET', entry, 'state', 'money', 'money_day')
if known[1] == 'settled' then return 'already' end
if not is_held(entry, ARGV[3]) then return 'stale fence' end
local now = time_ms(ARGV[1])
-- money that was given back with a dead letter, or of a send that this ledger had lost
local spent = not known[3] and (known[2] or ARGV[7]) or ''
if spent ~= '' then reserve(entry, tonumber(spent), '', now, true) end
note(entry, ARGV[5])
free_order(entry, key, now)
let_go(entry, key)
redis.call('HSET', entry, 'result', ARGV[4], 'updated_ms', string.format('%d', now))
if ARGV[6] == '1' then
  redis.call('ZADD', 'refunds:unconfirmed:' .. redis.call('HGET', entry, 'shop'), now, key)
else
  redis.call('HDEL', entry, 'sent')
  redis.call('ZADD', 'refunds:unpacked', now, key)
end
redis.call('HDEL', entry, 'sent_ms', 'looks', 'tries', 'spent', 'if_absent', 'deaths', 'strays', 'faults', 'calls', 'first_ms', 'look_first',
  'reason', 'verdict', 'message', 'cleared_ms')
move(entry, 'settled')
local campaign = redis.call('HGET', entry, 'campaign')
if campaign then count_pace(campaign, now, tonumber(string.match(ARGV[5], '"call_ms":(%d+)'))) end
local letter = redis.call('HGET', 'refunds:dead_index', key)
if letter then
  letters().remove('refunds:dead', letter)
  redis.call('HDEL', 'refunds:dead_index', key)
end
return 'settled'
