-- find_text: whether a block of the index holds a text in its keys, or one of some in the column `text`.
-- ARGV[1] stream   ARGV[2] block   ARGV[3] text in the keys, in lower case   ARGV[4..] texts in the column `text`
-- returns  1 | 0
local text = redis.call('GET', ARGV[1] .. ':text:' .. ARGV[2])
if not text then return 0 end
for i = 4, #ARGV do
  if string.find(text, ARGV[i], 1, true) then return 1 end
end
local keys = string.lower(redis.call('GET', ARGV[1] .. ':keys:' .. ARGV[2]))
return string.find(keys, ARGV[3], 1, true) and 1 or 0
