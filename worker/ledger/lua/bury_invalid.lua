-- bury_invalid: keep a document that was not accepted, with its raw bytes and the reasons; it has no entry.
-- ARGV[1] now_ms or ''   ARGV[2] key as far as it could be read, or ''   ARGV[3] raw bytes, base64
-- ARGV[4] reason code: "invalid" | "key_conflict"   ARGV[5] reasons in words   ARGV[6] door it came in by
-- returns  the id of the letter
redis.call('HINCRBY', 'refunds:counts', 'refused_at_door', 1)
return letters().write('refunds:dead', { 'key', ARGV[2], 'reason', ARGV[4], 'verdict', 'not_sent', 'message', ARGV[5],
  'at_ms', string.format('%d', time_ms(ARGV[1])), 'raw_base64', ARGV[3], 'door', ARGV[6] })
