-- close: people close a dead letter for good. It is kept in `refunds:dead:closed`, with who, how and why.
-- ARGV[1] now_ms or ''   ARGV[2] key, or '' of a document that never became a job   ARGV[3] id of the letter
-- ARGV[4] how: "refunded": people found its credit memo | "discarded" | "corrected": accepted as another document
-- ARGV[5] by   ARGV[6] why   ARGV[7] result (JSON) of a refunded one, else ''   ARGV[8] history line (JSON)
-- ARGV[9..11] of the audit trail: hash of the record before, record, its hash
-- returns  "closed" | "changed": there is no such letter any more | the state, when the job is not dead
--          an objection of the trail
local key, entry, letter = ARGV[2], entry_of(ARGV[2]), ARGV[3]
local found = redis.call('XRANGE', 'refunds:dead', letter, letter)[1]
if not found then return 'changed' end
if key ~= '' then
  if redis.call('HGET', 'refunds:dead_index', key) ~= letter then return 'changed' end
  local state = redis.call('HGET', entry, 'state')
  if state ~= 'dead' then return state end
end
local objection = trail_objection(ARGV[9])
if objection then return objection end
append_record(ARGV[10], ARGV[11])
local now = string.format('%d', time_ms(ARGV[1]))
if key ~= '' then
  note(entry, ARGV[8])
  redis.call('HSET', entry, 'closed', ARGV[4], 'updated_ms', now)
  if ARGV[4] == 'refunded' then
    local money = redis.call('HMGET', entry, 'money', 'money_day') -- that was given back with the dead letter
    if money[1] and not money[2] then
      local total = tonumber(cjson.decode(ARGV[7]).base_grand_total) -- of the document as it is now
      reserve(entry, total and math.floor(total * 100 + 0.5) or tonumber(money[1]), '', tonumber(now), true)
    end
    redis.call('HSET', entry, 'result', ARGV[7])
    move(entry, 'settled') -- before its reason is gone, by which its campaign counted it
    redis.call('HDEL', entry, 'sent_ms', 'looks', 'tries', 'spent', 'if_absent', 'deaths', 'strays', 'faults', 'calls',
      'first_ms', 'look_first', 'reason', 'verdict', 'message', 'cleared_ms')
  end
end
local fields = found[2]
for _, part in ipairs({ 'closed_ms', now, 'how', ARGV[4], 'by', ARGV[5], 'why', ARGV[6] }) do
  table.insert(fields, part)
end
letters().write('refunds:dead:closed', fields)
letters().remove('refunds:dead', letter)
if key ~= '' then redis.call('HDEL', 'refunds:dead_index', key) end
return 'closed'
