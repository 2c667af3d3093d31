-- find_text: whether a block of the index holds a text in its keys, orders, or what is variable in Magento's words.
-- ARGV[1] stream   ARGV[2] block   ARGV[3] text, in lower case
-- returns  1 | 0
local text = redis.call('GET', ARGV[1] .. ':text:' .. ARGV[2])
if text and string.find(text, ARGV[3], 1, true) then return 1 end
local keys = redis.call('GET', ARGV[1] .. ':keys:' .. ARGV[2])
return keys and string.find(string.lower(keys), ARGV[3], 1, true) and 1 or 0
