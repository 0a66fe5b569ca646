-- Shared by the scripts that add entries. Reads entries from ARGV and adds them.
-- An entry is: head, then what its letters announce, in this order, and its body:
--   k  key (without: that of the entry which emits this one)
--      body
--   t  traceparent
--   o  de-duplication key
--   d  id among the scheduled ones
--   then the entries it emits.
-- A head is, with blanks between: letters (b: it waits in the bulk lane; - where there are none),
-- window of the de-duplication in ms, delay in ms, number of emitted entries, base key.
-- Most entries of a call have the same heads, so each is taken apart once.
-- What an entry has from the start is not written: attempt 1, redrive 0, born when its id says.
local ARGV, call, try = ARGV, redis.call, redis.pcall
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local now_text = string.format('%.0f', now)

-- How many entries came to which queue as emissions, as base key, number, base key, number …
local emitted, emitted_at = {}, {}
local function count_emission(base)
  local at = emitted_at[base]
  if not at then
    at = #emitted + 2
    emitted[at - 1], emitted[at], emitted_at[base] = base, 0, at
  end
  emitted[at] = emitted[at] + 1
end

-- How many emissions were enqueued before, by their key.
local known = 0

local heads = {}
local function read_head(text)
  local letters, window, delay, children, base =
    string.match(text, '^(%S+) (%d+) (%d+) (%d+) (.+)$')
  local function has(letter) return string.find(letters, letter, 1, true) ~= nil end
  local bulk = has('b')
  local head = {
    base = base, bulk = bulk, stream = bulk and (base .. ':bulk') or base,
    key = has('k'), trace = has('t'), once = has('o'), delayed = has('d'),
    children = tonumber(children),
    forgotten = string.format('%.0f', now + window), due = string.format('%.0f', now + delay),
  }
  heads[text] = head
  return head
end

local function schedule(head, key, body, trace, uid)
  return try('ZADD', head.base .. ':retry', head.due, cjson.encode({
    id = uid, lane = head.bulk and 'bulk' or 'live', key = key, body = body, attempt = '1',
    redrive = '0', born = now_text, traceparent = trace }))
end

local function append(head, key, body, trace)
  if trace then
    return try('XADD', head.stream, '*', 'key', key, 'body', body, 'traceparent', trace)
  end
  return try('XADD', head.stream, '*', 'key', key, 'body', body)
end

-- Returns the next index and what became of the entry: its id, '' (scheduled) or false (not added).
local function add(i, wanted, is_emission, key)
  local head = heads[ARGV[i]] or read_head(ARGV[i])
  i = i + 1
  if head.key then key = ARGV[i]; i = i + 1 end
  local body, trace, once, uid = ARGV[i], nil, nil, nil
  i = i + 1
  if head.trace then trace = ARGV[i]; i = i + 1 end
  if head.once then once = ARGV[i]; i = i + 1 end
  if head.delayed then uid = ARGV[i]; i = i + 1 end

  local added = false
  if wanted and (not once or call('SET', once, '1', 'NX', 'PXAT', head.forgotten)) then
    if head.delayed then
      added = schedule(head, key, body, trace, uid)
    else
      added = append(head, key, body, trace)
    end
    if type(added) == 'table' and added.err then
      -- The key must never outlive an entry that was not added.
      if once then call('DEL', once) end
      error(added)
    end
    if head.delayed then added = '' end
    if is_emission then count_emission(head.base) end
  elseif wanted and is_emission then
    known = known + 1
  end
  for _ = 1, head.children do i = add(i, added ~= false, true, key) end
  return i, added
end
