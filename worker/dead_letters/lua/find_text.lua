-- find_text: whether a block of the index holds a text in its keys, orders, or what is variable in Magento's words.
-- ARGV[1] stream   ARGV[2] block   ARGV[3..] texts, in lower case
-- returns  1 | 0
local text = redis.call('GET', ARGV[1] .. ':text:' .. ARGV[2])
if not text then return 0 end
for i = 3, #ARGV do
  if string.find(text, ARGV[i], 1, true) then return 1 end
end
local keys = string.lower(redis.call('GET', ARGV[1] .. ':keys:' .. ARGV[2]))
for i = 3, #ARGV do
  if string.find(keys, ARGV[i], 1, true) then return 1 end
end
return 0
