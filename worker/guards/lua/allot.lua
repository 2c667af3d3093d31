-- allot: a worker tells what it heard of a shop and what it wants, and gets its part of what the shop allows.
-- ARGV  name, value, ...:
--   now (ms or ''), shop, worker, lease_ms; ceiling (calls at once), rate (calls a second, 0: no limit)
--   wanted, in_use, kept (slots: of those that were given, kept are not given back now), sends (send times wanted), debt (calls made beside those with a send time)
--   good, bad, fails (answers since the last call; fails: those after the last good one), trip, reason, alert ('1' or ''),
--   retry_ms, latency_ms (of the good ones, 0: none), room:<lane> (jobs that the worker would take), leave ('1' at the end)
-- returns  {now_ms, slots, first send time (ms), number of send times, ms between them, breaker, until_ms, reason,
--           lanes that are paused, "opened" | "alert" | '', limit in force, "contested" where others could use what is kept | ''}
local a = named(ARGV)
local now = time_ms(a.now)
local key = 'refunds:shop:' .. a.shop
local slots, lease = 'refunds:slots:' .. a.shop, 'refunds:slots:' .. a.shop .. ':lease'
local s = read_hash(key)
local ceiling, rate = tonumber(a.ceiling), tonumber(a.rate)
local good, bad, fails = tonumber(a.good), tonumber(a.bad), tonumber(a.fails)
local limit = math.min(tonumber(s.limit or a.ceiling), ceiling)
s.limit = tostring(limit)

-- Latency: a quick average, and a slow one to compare it with.
local latency, baseline = tonumber(s.latency_ms or '0'), tonumber(s.baseline_ms or '0')
local heard_ms = tonumber(a.latency_ms)
if heard_ms > 0 then
  latency = latency > 0 and latency + 0.2 * (heard_ms - latency) or heard_ms
  baseline = baseline > 0 and baseline + 0.005 * (heard_ms - baseline) or heard_ms
  if heard_ms < baseline then baseline = baseline + 0.1 * (heard_ms - baseline) end
end
-- Below half a second a rise says more about our own machine than about a shop.
local is_slow = heard_ms > 0 and latency > math.max(2 * baseline, 500)

-- Strain: the share of bad answers among the last fifty or so. One now and then is nothing.
local answers, strain = good + bad, tonumber(s.strain or '0')
if answers > 0 then
  local kept = 0.98 ^ answers
  strain = strain * kept + (1 - kept) * bad / answers
end
local is_strained = bad > 0 and strain > 0.05

-- The limit: down by a third at most once a second, up by a little every 2 s; after an outage it doubles up to what was
-- sure before. A rising latency alone never takes more than three quarters.
if is_strained or is_slow then
  local floor = is_strained and 1 or math.min(limit, math.max(1, math.ceil(ceiling / 4)))
  if now - tonumber(s.shrunk_ms or '0') >= 1000 then
    limit = math.max(floor, math.floor(limit * 0.7))
    redis.call('HSET', key, 'shrunk_ms', whole(now), 'grown_ms', whole(now), 'sure_limit', whole(limit))
    s.sure_limit = tostring(limit)
  end
elseif good > 0 and limit < ceiling then
  local sure, since = tonumber(s.sure_limit or '0'), now - tonumber(s.grown_ms or '0')
  local grown = limit
  if limit < sure and since >= 500 then
    grown = math.min(sure, limit * 2)
  elseif since >= 2000 then
    grown = limit + math.max(1, math.floor(ceiling / 50))
  end
  if grown > limit then
    limit = math.min(grown, ceiling)
    redis.call('HSET', key, 'grown_ms', whole(now))
  end
end
s.limit = tostring(limit)

-- The breaker: while it is open, late news from before changes nothing.
local event = ''
if s.breaker ~= 'open' then
  if good > 0 then
    s.fails, s.openings = '0', '0'
    redis.call('HSET', key, 'openings', 0)
    if fails == 0 and a.trip ~= '1' then redis.call('HSET', key, 'alerted', 0) end
  end
  s.fails = whole(tonumber(s.fails or '0') + fails)
  redis.call('HSET', key, 'fails', s.fails)
  if a.trip == '1' or tonumber(s.fails) >= 5 then
    open_breaker(key, s, now, a.reason, tonumber(a.retry_ms))
    event = 'opened'
    if a.alert == '1' and redis.call('HGET', key, 'alerted') ~= '1' then
      redis.call('HSET', key, 'alerted', 1)
      event = 'alert'
    end
    limit = 1
  end
end
redis.call('HSET', key, 'limit', whole(limit), 'strain', string.format('%.4f', strain), 'latency_ms', string.format('%.1f', latency),
  'baseline_ms', string.format('%.1f', baseline), 'ceiling', a.ceiling, 'rate', a.rate, 'breaker', s.breaker or 'closed')

-- Slots: what is in use stays counted, the rest is shared by what each living worker wants.
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', lease, '-inf', whole(now))) do
  redis.call('HDEL', slots, gone)
  redis.call('ZREM', lease, gone)
end
local in_use, wanted = tonumber(a.in_use), tonumber(a.wanted)
if a.leave == '1' then
  redis.call('HDEL', slots, a.worker)
  redis.call('ZREM', lease, a.worker)
  for name, _ in pairs(a) do
    local lane = string.match(name, '^room:(.+)')
    if lane then redis.call('HDEL', 'refunds:room:' .. a.shop .. '/' .. lane, a.worker) end
  end
  return {}
end
local own, others, wants, wanting = 0, 0, {}, 0
local flat = redis.call('HGETALL', slots)
for i = 1, #flat, 2 do
  local granted, want = string.match(flat[i + 1], '(%d+) (%d+)')
  if flat[i] == a.worker then
    own = tonumber(granted)
  else
    others = others + tonumber(granted)
    if tonumber(want) > 0 then table.insert(wants, { name = flat[i], want = tonumber(want) }) end
  end
end
-- What was given is kept only while the lease lasts; what is in use is in use, whatever was given.
local kept = math.max(in_use, math.min(tonumber(a.kept or '0'), own))
if wanted > 0 then table.insert(wants, { name = a.worker, want = wanted }) end
wanting = #wants

-- Whoever wants less than an equal part gets it all; the others share the rest, what cannot be divided in turn.
local function fair_share()
  table.sort(wants, function(x, y)
    if x.want == y.want then return x.name < y.name end
    return x.want < y.want
  end)
  local rest, left = limit, #wants
  while left > 0 and wants[1].want <= math.floor(rest / left) do
    local small = table.remove(wants, 1)
    if small.name == a.worker then return small.want end
    rest, left = rest - small.want, left - 1
  end
  table.sort(wants, function(x, y) return x.name < y.name end)
  local place, turn = 0, math.floor(now / 2000)
  for i, one in ipairs(wants) do if one.name == a.worker then place = i end end
  local has_more = (place + turn) % left < rest % left
  return math.floor(rest / left) + (has_more and 1 or 0)
end

-- Calls that the worker may have under way when it begins another; what it keeps beyond that ends by itself.
local may = 0
if s.breaker ~= 'open' then
  local share = 0
  if wanted > 0 then share = fair_share() end
  -- One to spare, so that a lone job need not ask first; half of the slots, and one, stay for who wants them.
  if wanting == 0 and rate == 0 and limit - others > math.max(1, limit / 2) then share = 1 end
  may = math.max(math.min(share, limit - others), 0)
end
redis.call('HSET', slots, a.worker, whole(math.max(kept, may)) .. ' ' .. whole(wanted) .. ' ' .. whole(in_use))
redis.call('ZADD', lease, whole(now + tonumber(a.lease_ms)), a.worker)

-- Send times: each later than the one before, at most 300 ms ahead. 3 % stay free, so that those which are late for
-- some reason never make a second too full.
local first, count, gap = 0, 0, 0
if rate > 0 then
  gap = 1000 / (0.97 * rate)
  local next_ms = math.max(tonumber(s.next_ms or '0'), now) + tonumber(a.debt) * gap
  if s.breaker ~= 'open' then
    local turnover = math.max(1, latency > 0 and 300 / latency or 1)
    local most = math.ceil(math.max(1, 300 / gap / math.max(1, wanting)))
    most = math.min(tonumber(a.sends), most, math.ceil(may * turnover))
    first = next_ms
    while count < most and next_ms <= now + 300 do
      count = count + 1
      next_ms = next_ms + gap
    end
  end
  redis.call('HSET', key, 'next_ms', string.format('%.3f', next_ms))
end

local paused = {}
for _, lane in ipairs({ 'express', 'bulk' }) do
  local found = redis.call('HMGET', 'refunds:pauses', 'all', 'shop:' .. a.shop, 'lane:' .. lane,
    'shop:' .. a.shop .. '/lane:' .. lane)
  if found[1] or found[2] or found[3] or found[4] then table.insert(paused, lane) end
  local room = a['room:' .. lane]
  if room then redis.call('HSET', 'refunds:room:' .. a.shop .. '/' .. lane, a.worker, room .. ' ' .. whole(now)) end
end
return { whole(now), whole(may), string.format('%.3f', first), whole(count), string.format('%.3f', gap), s.breaker or 'closed',
  s.until_ms or '0', s.reason or '', table.concat(paused, ' '), event, whole(limit),
  kept > may and 'contested' or '' }
