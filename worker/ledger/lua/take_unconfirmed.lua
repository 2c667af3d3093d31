-- take_unconfirmed: lease settled keys of a shop whose credit memos are to be read back: a full batch at once, what is
-- fewer once the oldest has waited. A key that is not confirmed within the lease comes again.
-- ARGV[1] now_ms or ''   ARGV[2] shop   ARGV[3] size of a batch   ARGV[4] longest wait (ms)   ARGV[5] lease (ms)
-- returns  {now_ms, per key: {key, field, value, field, value, ...}}
local waiting, now = 'refunds:unconfirmed:' .. ARGV[2], time_ms(ARGV[1])
local answers = { string.format('%d', now) }
local due = redis.call('ZRANGEBYSCORE', waiting, '-inf', now, 'WITHSCORES', 'LIMIT', 0, ARGV[3])
if #due == 0 or (#due < 2 * ARGV[3] and now - due[2] < tonumber(ARGV[4])) then return answers end
local leased = {}
for i = 1, #due, 2 do
  local answer = redis.call('HGETALL', entry_of(due[i]))
  if #answer == 0 then
    redis.call('ZREM', waiting, due[i])
  else
    push_pair(leased, now + ARGV[5], due[i])
    table.insert(answer, 1, due[i])
    table.insert(answers, answer)
  end
end
call_with_all('ZADD', waiting, leased)
return answers
