-- Money that counts as spent. Amounts are whole cents of the base currency.
--   refunds:limits    hash  campaign:<name> -> limit that was set for that campaign; it goes before that of the settings
--   refunds:spent     hash  day:<shop>:<days since 1970, UTC> and campaign:<name> -> cents that count as spent
--   refunds:on_hold   zset  key -> time (ms) at which it was held: over a limit, waits for people; the same for those
--                           of a campaign in refunds:campaign:<name>:on_hold
-- Fields of an entry: limited ('1': a limit applied when it was accepted), money (cents that count, or counted once),
-- money_day (day for which they count; absent while they do not). The sums over all entries that have a money_day are
-- the counters, exactly: so both fields stay with an entry that has settled.

local limits_asked = {}

-- The limit that was set for a campaign, or nil; asked once for each in one move.
local function limit_of_campaign(campaign)
  if not campaign or campaign == '' then return nil end
  if limits_asked[campaign] == nil then
    limits_asked[campaign] = redis.call('HGET', 'refunds:limits', 'campaign:' .. campaign)
  end
  return limits_asked[campaign] and tonumber(limits_asked[campaign])
end

local function add_spent(shop, campaign, day, cents)
  if cents == 0 then return end
  redis.call('HINCRBY', 'refunds:spent', 'day:' .. shop .. ':' .. day, string.format('%d', cents))
  if campaign then redis.call('HINCRBY', 'refunds:spent', 'campaign:' .. campaign, string.format('%d', cents)) end
end

local function spent_of(field) return tonumber(redis.call('HGET', 'refunds:spent', field) or '0') end

-- Which limit an amount goes over: nil, or {"job" | "day" | "campaign", limit, spent of it}.
-- `limits` is "<job>/<day>/<campaign>", what the settings say, each may be empty; or '' for none.
local function over_limit(shop, campaign, day, asked, more, limits)
  local of_job, of_day, of_campaign = string.match(limits, '^(%d*)/(%d*)/(%d*)$')
  if of_job and of_job ~= '' and asked > tonumber(of_job) then return { 'job', of_job, '0' } end
  if more <= 0 then return nil end
  if of_day and of_day ~= '' then
    local spent = spent_of('day:' .. shop .. ':' .. day)
    if spent + more > tonumber(of_day) then return { 'day', of_day, string.format('%d', spent) } end
  end
  local limit = limit_of_campaign(campaign) or campaign and tonumber(of_campaign or '')
  if limit then
    local spent = spent_of('campaign:' .. campaign)
    if spent + more > limit then return { 'campaign', string.format('%d', limit), string.format('%d', spent) } end
  end
  return nil
end

-- Count an entry's money as spent, or say over which limit that would go: nil, or as `over_limit`. What was counted
-- before is corrected, for the day that it was counted for.
-- Approved by people: only this content, and no more than they saw. `is_due`: it is spent, whatever the limits say.
local function reserve(entry, asked, limits, now, is_due)
  local known = redis.call('HMGET', entry, 'shop', 'campaign', 'money', 'money_day', 'fingerprint', 'approved_hash',
    'approved_cents')
  local day = known[4] or string.format('%d', math.floor(now / 86400000))
  local more = asked - (known[4] and tonumber(known[3]) or 0)
  local is_approved = known[6] and known[6] == known[5] and (known[7] == '' or asked <= tonumber(known[7]))
  if not is_due and not is_approved then
    local over = over_limit(known[1], known[2], day, asked, more, limits)
    if over then return over end
  end
  add_spent(known[1], known[2], day, more)
  redis.call('HSET', entry, 'money', string.format('%d', asked), 'money_day', day)
  return nil
end

-- Count an entry's money no more: it was not spent.
local function give_back(entry)
  local known = redis.call('HMGET', entry, 'shop', 'campaign', 'money', 'money_day')
  if not known[4] then return end
  add_spent(known[1], known[2], known[4], -tonumber(known[3]))
  redis.call('HDEL', entry, 'money_day')
end
