-- Loads letters by the move that buries jobs; put behind what all moves share.
-- ARGV[1] number of the first letter   ARGV[2] how many   ARGV[3] time of the first (ms)   ARGV[4] ms between two
local REASONS = { 'order_status', 'qty_too_large', 'nothing_left', 'over_refund', 'outcome_unknown', 'not_found' }
local MESSAGES = {
  'The order does not allow creating creditmemo.',
  'We found an invalid quantity to refund item "Article %d".',
  'The credit memo for order %09d cannot be made: nothing is left.',
  'The most money available to refund is $%d.50.',
  'The gateway did not answer within 60 seconds.',
  'The entity that was requested does not exist. Verify the entity and try again. (%d)',
}
local VERDICTS = { 'refused', 'refused', 'not_sent', 'refused', 'unknown', 'not_sent' }
local HISTORY = '{"at_ms":%d,"attempt":1,"worker":"host-12@4711","took_ms":431,"service":"%s","decision":"order","send":1,'
  .. '"status":400,"rule":"%s","outcome":"dead_lettered","reason":"%s","verdict":"%s","message":"%s"}'
for number = tonumber(ARGV[1]), tonumber(ARGV[1]) + tonumber(ARGV[2]) - 1 do
  local hash = (number * 2654435761) % 4294967296
  local kind = hash % 6 + 1
  local key, order = string.format('campaign-%08x-%07d', hash, number), number + 1
  local at = tonumber(ARGV[3]) + number * tonumber(ARGV[4])
  local amount = string.format('%d.%02d', (hash / 7) % 500, (hash / 11) % 100)
  local job = string.format('{"idempotency_key":"%s","order_id":%d,"amount":"%s","comment":"Sorry for the delay."}', key, order, amount)
  if hash % 10 < 3 then job = string.format('{"idempotency_key":"%s","order_id":%d,"full":true}', key, order) end
  local message = string.gsub(string.format(MESSAGES[kind], (hash / 13) % 3000), '%.50', '.5')
  local service = hash % 4 == 0 and 'invoice_refund' or 'order_refund'
  local history = string.format(HISTORY, at, service, REASONS[kind], REASONS[kind], VERDICTS[kind], string.gsub(message, '"', '\\"'))
  local entry = entry_of(key)
  redis.call('HSET', entry, 'doc', job, 'shop', hash % 5 == 0 and 'us' or 'default', 'lane', 'bulk', 'sends', 1,
    'history', history, 'state', 'claimed')
  if number % 3 > 0 then -- a campaign of three days; the others are single jobs
    local days = math.floor(number * tonumber(ARGV[4]) / 259200000)
    redis.call('HSET', entry, 'campaign', 'campaign-' .. days + number % 2 * 10)
  end
  bury(entry, key, at, REASONS[kind], VERDICTS[kind], message)
  redis.call('DEL', entry) -- what an entry takes is another question
end
