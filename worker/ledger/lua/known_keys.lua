-- known_keys: say which keys of a file the ledger knows already. Changes nothing.
-- ARGV  key, fingerprint, key, fingerprint, ...
-- returns  for each known one: {its place, from 1; "same" | "other" content; state; campaign or ''}
local answers = {}
for i = 1, #ARGV, 2 do
  local known = redis.call('HMGET', entry_of(ARGV[i]), 'fingerprint', 'state', 'campaign')
  if known[1] then
    table.insert(answers, { (i + 1) / 2, known[1] == ARGV[i + 1] and 'same' or 'other', known[2], known[3] or '' })
  end
end
return answers
