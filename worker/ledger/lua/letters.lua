-- letters: how a dead letter is written and taken away, together with the index that finds it among a million.
-- One function, so that a move that may have to do with a letter makes one closure, and no more where there is none.
--   <stream>               stream  refunds:dead: open letters; refunds:dead:closed: those that people closed
--   <stream>:index         hash    state ("ready" | "building"), version, cursor (id up to which a rebuild has come),
--                                  block and rows: where the next letter goes; cells, words: the last numbers given
--   <stream>:blocks        zset    block -> ms in the id of its first letter
--   <stream>:alive         hash    block -> letters of it that still exist
--   <stream>:<column>:<block>  string  a column of up to ROWS letters, oldest first, little-endian:
--        ids (8 bytes: ms * 2^22 + sequence), times (8: ms), cents (8: -2^63 unknown), classes (1: of the cents, see class_of; 0 unknown, 255 the letter has gone),
--        cells (4), words (4),
--        keys, text (lines; text: order id, order number and what is variable in Magento's words, between \31)
--   <stream>:cells         hash    reason, verdict, shop, campaign, service, day since 1970 between \31 -> number of the cell
--   <stream>:names         string  the same names, a line each: that of cell 0 first
--   <stream>:sums          string  of each cell 3 numbers of 8 bytes, big-endian: letters, letters of known amount, their cents
--   <stream>:words         hash    Magento's words without what is variable in them -> number; <stream>:templates is the reverse,
--   <stream>:uses          hash    number -> letters with these words
-- Nothing here is ever trimmed; a block goes when its last letter has gone.
local function letters()
  local VERSION = '1'
  local ROWS = 4096 -- letters in a block: columns of 32 KB
  local TEMPLATES = 5000 -- kinds of words that are kept apart; where more come, whole messages count as variable
  local COLUMNS = { 'ids', 'times', 'cents', 'classes', 'cells', 'words', 'keys', 'text' }
  local UNKNOWN, GONE = string.rep('\0', 7) .. '\128', '\255' -- in the columns cents and classes

  local function packed(number, bytes)
    local out = {}
    for i = 1, bytes do
      out[i] = string.char(number % 256)
      number = math.floor(number / 256)
    end
    return table.concat(out)
  end

  local function unpacked(text)
    local number = 0
    for i = #text, 1, -1 do number = number * 256 + string.byte(text, i) end
    return number
  end

  -- Cents may be negative; they have 47 bits at most.
  local function unpacked_cents(text)
    return unpacked(string.sub(text, 1, 6)) - (string.byte(text, 8) >= 128 and 2 ^ 48 or 0)
  end

  -- The class of an amount in one byte: the larger, the higher; eighteen from 10 to 100. worker/dead_letters/index.py has it too.
  local function class_of(cents)
    if not cents then return 0 end
    if cents < 0 then return 1 end
    local digits = string.format('%.0f', cents)
    if #digits <= 2 then return 2 end
    local lead = #digits > 15 and 99 or tonumber(string.sub(digits, 1, 2))
    return 3 + math.min(#digits - 3, 12) * 18 + math.floor((lead - 10) / 5)
  end

  local function packed_id(ms, sequence) return packed((ms % 4) * 2 ^ 22 + sequence, 3) .. packed(math.floor(ms / 4), 5) end

  local function id_parts(id)
    local ms, sequence = string.match(id, '^(%d+)-(%d+)$')
    return tonumber(ms), tonumber(sequence)
  end

  local function is_given(value) return value ~= nil and value ~= cjson.null and value ~= '' end

  local function is_true(value) return is_given(value) and value ~= false and (type(value) ~= 'table' or next(value) ~= nil) end

  -- An amount in cents, rounded half to even as Python rounds it; nil where it is none. Absent is 0.
  local function cents_of(value)
    if not is_given(value) then return 0 end
    local text = type(value) == 'number' and string.format('%.14g', value) or tostring(value)
    local sign, whole, part = string.match(text, '^(-?)(%d+)%.?(%d*)$')
    if not whole then return nil end
    local cents = tonumber(whole) * 100 + tonumber(string.sub(part .. '00', 1, 2))
    local rest = string.gsub(string.sub(part, 3), '0+$', '')
    local first = tonumber(string.sub(rest, 1, 1)) or 0
    if first > 5 or (first == 5 and (#rest > 1 or cents % 2 == 1)) then cents = cents + 1 end
    return sign == '-' and -cents or cents
  end

  local function document_of(job)
    local ok, document = pcall(cjson.decode, job or '')
    return ok and type(document) == 'table' and document or {}
  end

  -- What a job asks for, in cents; nil where only the shop knows. As `money_asked` of worker/dead_letters/letter.py.
  local function money_of(job)
    if next(job) == nil then return nil end
    if job.expected_total ~= nil and job.expected_total ~= cjson.null then return cents_of(job.expected_total) end
    local memo = job.creditmemo
    if type(memo) == 'table' then
      local total = memo.base_grand_total
      if total == nil then total = memo.grand_total end
      if total == nil or total == cjson.null then return nil end
      return cents_of(total)
    end
    if is_true(job.items) or is_true(job.full) or job.shipping_amount == 'all' then return nil end
    local amount, shipping = cents_of(job.amount), cents_of(job.shipping_amount)
    return amount and shipping and amount + shipping
  end

  -- By which service the refund was asked for at last, else what the document alone decides.
  local function service_of(job, attempts)
    local lines = {}
    for line in string.gmatch(attempts or '', '[^\n]+') do table.insert(lines, 1, line) end
    for _, line in ipairs(lines) do
      local tried = document_of(line).service
      if is_given(tried) then return tried end
    end
    if next(job) == nil then return '' end
    if job.mode == 'persist' then return 'creditmemo_save' end
    if job.creditmemo ~= nil and job.creditmemo ~= cjson.null then return 'creditmemo_refund' end
    return (is_true(job.online) or is_true(job.invoice_id)) and 'invoice_refund' or 'order_refund'
  end

  -- One line of text, to be compared: lower case, control characters as spaces.
  local function line_of(value) return (string.gsub(string.lower(value), '%c', ' ')) end

  local function word_of(value)
    if not is_given(value) then return '' end
    return line_of(type(value) == 'number' and string.format('%.14g', value) or tostring(value))
  end

  -- Magento's words without what is variable in them (\1 within quotes, \2 digits), and what is variable, in that order.
  local function words_of(message)
    local values = {}
    local template = string.gsub(line_of(message), '"([^"]*)"', function(value)
      table.insert(values, value)
      return '"\1"'
    end)
    template = string.gsub(template, '%d+', function(value)
      table.insert(values, value)
      return '\2'
    end)
    return template, values
  end

  -- The number of a cell or of words; a new one where it is not known yet.
  local function number_of(stream, kind, name)
    local number = redis.call('HGET', stream .. ':' .. kind, name)
    if number then return number, false end
    number = redis.call('HINCRBY', stream .. ':index', kind, 1) - 1
    redis.call('HSET', stream .. ':' .. kind, name, number)
    return number, true
  end

  local function drop_block(stream, block)
    for _, column in ipairs(COLUMNS) do redis.call('DEL', stream .. ':' .. column .. ':' .. block) end
    redis.call('ZREM', stream .. ':blocks', block)
    redis.call('HDEL', stream .. ':alive', block)
  end

  -- Where the next letter goes; opens a block where the last one is full.
  local function next_block(stream, ms)
    local index = stream .. ':index'
    local at = redis.call('HMGET', index, 'block', 'rows')
    local block, rows = tonumber(at[1] or '0'), tonumber(at[2] or ROWS)
    if rows < ROWS then
      redis.call('HINCRBY', index, 'rows', 1)
      return block
    end
    if redis.call('HGET', stream .. ':alive', block) == '0' then drop_block(stream, block) end
    block = block + 1
    redis.call('HSET', index, 'block', block, 'rows', 1)
    redis.call('ZADD', stream .. ':blocks', ms, block)
    return block
  end

  local function count_cell(stream, cell, by, cents)
    local more = (cents or 0) ~= 0 and string.format('%.0f', by * cents) or 0
    redis.call('BITFIELD', stream .. ':sums', 'INCRBY', 'i64', '#' .. 3 * cell, by, 'INCRBY', 'i64', '#' .. 3 * cell + 1,
      cents and by or 0, 'INCRBY', 'i64', '#' .. 3 * cell + 2, more)
  end

  -- Put a letter at the end of the index.
  local function append(stream, id, letter)
    local ms, sequence = id_parts(id)
    local job = document_of(letter.job)
    local cents = money_of(job)
    local at_ms = tonumber(letter.at_ms or '') or 0
    local name = table.concat({ letter.reason or '', letter.verdict or '', letter.shop or '', letter.campaign or '',
      letter.service or service_of(job, letter.attempts), math.floor(at_ms / 86400000) }, '\31')
    local cell, is_new = number_of(stream, 'cells', name)
    if is_new then redis.call('APPEND', stream .. ':names', name .. '\n') end
    count_cell(stream, cell, 1, cents)
    local template, values = words_of(letter.message or '')
    if redis.call('HLEN', stream .. ':words') >= TEMPLATES and redis.call('HEXISTS', stream .. ':words', template) == 0 then
      template, values = '\3', { line_of(letter.message or '') }
    end
    local words, are_new = number_of(stream, 'words', template)
    if are_new then redis.call('HSET', stream .. ':templates', words, template) end
    redis.call('HINCRBY', stream .. ':uses', words, 1)
    local block = next_block(stream, ms)
    table.insert(values, 1, word_of(job.order_id))
    table.insert(values, 2, word_of(job.order_number))
    local parts = { packed_id(ms, sequence), packed(at_ms, 8), cents and packed(cents, 8) or UNKNOWN,
      string.char(class_of(cents)), packed(cell, 4),
      packed(words, 4), string.gsub(letter.key or '', '%c', ' ') .. '\n', table.concat(values, '\31') .. '\n' }
    for i, column in ipairs(COLUMNS) do redis.call('APPEND', stream .. ':' .. column .. ':' .. block, parts[i]) end
    redis.call('HINCRBY', stream .. ':alive', block, 1)
  end

  -- The row of a letter in a block, from 0; nil where it is not there.
  local function row_in(stream, block, ms, sequence)
    local ids = stream .. ':ids:' .. block
    local low, high = 0, redis.call('STRLEN', ids) / 8 - 1
    while low <= high do
      local middle = math.floor((low + high) / 2)
      local found = redis.call('GETRANGE', ids, middle * 8, middle * 8 + 7)
      local head = unpacked(string.sub(found, 1, 3))
      local found_ms = unpacked(string.sub(found, 4)) * 4 + math.floor(head / 2 ^ 22)
      local difference = found_ms - ms
      if difference == 0 then difference = head % 2 ^ 22 - sequence end
      if difference == 0 then return middle end
      if difference < 0 then low = middle + 1 else high = middle - 1 end
    end
  end

  local function place_of(stream, ms, sequence)
    local skipped = 0
    while true do
      local found = redis.call('ZREVRANGEBYSCORE', stream .. ':blocks', ms, '-inf', 'WITHSCORES', 'LIMIT', skipped, 1)
      if not found[1] then return nil end
      local row = row_in(stream, found[1], ms, sequence)
      if row then return found[1], row end
      if tonumber(found[2]) < ms then return nil end -- else the block before may hold letters of the same ms
      skipped = skipped + 1
    end
  end

  local function forget_words(stream, words)
    redis.call('HDEL', stream .. ':words', redis.call('HGET', stream .. ':templates', words))
    redis.call('HDEL', stream .. ':templates', words)
    redis.call('HDEL', stream .. ':uses', words)
  end

  -- Take a letter out of the index; nothing where it is in none.
  local function unindex(stream, id)
    local block, row = place_of(stream, id_parts(id))
    if not block then return end
    local function number(column, bytes)
      return redis.call('GETRANGE', stream .. ':' .. column .. ':' .. block, row * bytes, row * bytes + bytes - 1)
    end
    if number('classes', 1) == GONE then return end
    local cents = number('cents', 8)
    local cell, words = unpacked(number('cells', 4)), string.format('%d', unpacked(number('words', 4)))
    redis.call('SETRANGE', stream .. ':classes:' .. block, row, GONE)
    count_cell(stream, cell, -1, cents ~= UNKNOWN and unpacked_cents(cents) or nil)
    if redis.call('HINCRBY', stream .. ':uses', words, -1) == 0 then forget_words(stream, words) end
    local is_current = redis.call('HGET', stream .. ':index', 'block') == block
    if redis.call('HINCRBY', stream .. ':alive', block, -1) == 0 and not is_current then drop_block(stream, block) end
  end

  -- Index a letter that was just written. Where older letters are in no index yet, or a rebuild is under way, it is left to that.
  local function index(stream, id, letter)
    local state = redis.call('HGET', stream .. ':index', 'state')
    if not state and redis.call('XLEN', stream) == 1 then
      state = 'ready'
      redis.call('HSET', stream .. ':index', 'state', state, 'version', VERSION)
    end
    if state == 'ready' then append(stream, id, letter) end
  end

  local function table_of(pairs_of_letter)
    local letter = {}
    for i = 1, #pairs_of_letter, 2 do letter[pairs_of_letter[i]] = pairs_of_letter[i + 1] end
    return letter
  end

  local self = {}

  -- Write a letter and index it. `fields`: name, value, name, value, ... Adds its service and, where known, its cents.
  -- Returns its id.
  function self.write(stream, fields)
    local letter = table_of(fields)
    if not letter.service then
      local job = document_of(letter.job)
      local cents = money_of(job)
      letter.service = service_of(job, letter.attempts)
      for _, part in ipairs({ 'service', letter.service, 'cents', cents and string.format('%.0f', cents) or '' }) do
        table.insert(fields, part)
      end
    end
    local id = redis.call('XADD', stream, '*', unpack(fields))
    index(stream, id, letter)
    return id
  end

  -- Take a letter away, and out of the index.
  function self.remove(stream, id)
    redis.call('XDEL', stream, id)
    unindex(stream, id)
  end

  -- Begin to build the index anew.
  function self.begin(stream)
    for _, block in ipairs(redis.call('ZRANGE', stream .. ':blocks', 0, -1)) do drop_block(stream, block) end
    for _, part in ipairs({ 'index', 'blocks', 'alive', 'cells', 'names', 'sums', 'words', 'templates', 'uses' }) do
      redis.call('DEL', stream .. ':' .. part)
    end
    redis.call('HSET', stream .. ':index', 'state', 'building', 'version', VERSION, 'cursor', '0-0')
  end

  -- Index the next letters of a rebuild. Returns how many; the rebuild is over when these are fewer than asked for.
  function self.build(stream, at_most)
    local cursor = redis.call('HGET', stream .. ':index', 'cursor')
    local found = redis.call('XRANGE', stream, '(' .. cursor, '+', 'COUNT', at_most)
    for _, one in ipairs(found) do append(stream, one[1], table_of(one[2])) end
    if #found > 0 then redis.call('HSET', stream .. ':index', 'cursor', found[#found][1]) end
    if #found < at_most then redis.call('HSET', stream .. ':index', 'state', 'ready') end
    return #found
  end

  return self
end
