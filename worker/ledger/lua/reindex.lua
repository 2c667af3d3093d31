-- reindex: build the index of dead letters anew, some letters at a time. Letters may come and go meanwhile.
-- ARGV[1] stream   ARGV[2] letters at most   ARGV[3] '1' to begin from the first letter, also where a rebuild is under way
-- returns  {"ready" | "building", letters indexed by this call}
local index = ARGV[1] .. ':index'
if ARGV[3] == '1' or redis.call('HGET', index, 'state') ~= 'building' then letters().begin(ARGV[1]) end
local done = letters().build(ARGV[1], tonumber(ARGV[2]))
return { redis.call('HGET', index, 'state'), done }
