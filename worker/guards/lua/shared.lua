-- Shared by the moves of the guards; put before each script when it is loaded.
--   refunds:shop:<shop>          hash  limit, sure_limit, shrunk_ms, grown_ms, strain: the limit in force and how it moves;
--                                      latency_ms, baseline_ms; next_ms: when the next call may leave;
--                                      breaker ("open" or "closed"), until_ms, opened_ms, openings, reason, fails,
--                                      alerted; ceiling, rate: as the workers' settings say
--   refunds:slots:<shop>         hash  worker -> "<slots granted> <slots wanted> <slots in use>"
--   refunds:slots:<shop>:lease   zset  worker -> until when (ms) its slots are its own
--   refunds:room:<shop>/<lane>   hash  worker -> "<jobs it would take> <ms>"
--   refunds:pauses               hash  "all", "shop:<shop>", "lane:<lane>", "shop:<shop>/lane:<lane>" -> who and when (JSON)

-- How often a breaker's first opening is doubled: from 1 s to at most 30 s.
local FIRST_OPEN_MS, LONGEST_OPEN_MS = 1000, 30000

local function time_ms(given)
  if given and given ~= '' then return tonumber(given) end
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

local function whole(number) return string.format('%d', math.floor(number + 0.5)) end

-- The arguments as a table: name, value, name, value, ...
local function named(arguments)
  local given = {}
  for i = 1, #arguments, 2 do given[arguments[i]] = arguments[i + 1] end
  return given
end

local function read_hash(key) return named(redis.call('HGETALL', key)) end

-- Open the breaker, or keep it open for longer. What the shop asked for counts; else the time doubles.
local function open_breaker(key, s, now, reason, retry_ms)
  local openings = math.min(tonumber(s.openings or '0') + 1, 20)
  local wait = retry_ms > 0 and retry_ms or math.min(FIRST_OPEN_MS * 2 ^ (openings - 1), LONGEST_OPEN_MS)
  if s.breaker ~= 'open' then
    local known = math.max(tonumber(s.limit or '1'), tonumber(s.sure_limit or '0'))
    redis.call('HSET', key, 'opened_ms', whole(now), 'limit', 1, 'sure_limit', whole(math.max(1, math.floor(known * 0.7))))
  end
  redis.call('HSET', key, 'breaker', 'open', 'until_ms', whole(now + wait), 'openings', whole(openings), 'reason', reason,
    'fails', 0)
  s.breaker, s.until_ms, s.reason, s.limit, s.fails = 'open', whole(now + wait), reason, '1', '0'
end
