-- Shared by the scripts that add entries. Reads entries from ARGV and adds them.
-- An entry is: base key, head, key, body, then what the letters of its head announce, in this order:
--   b  it waits in the bulk lane                (no argument)
--   t  traceparent
--   o  de-duplication key, window in ms
--   d  delay in ms, id among the scheduled ones
--   e  number of emitted entries, then those entries
local ARGV, call = ARGV, redis.call
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

-- Returns the next index and what became of the entry: its id, '' (scheduled) or false (not added).
local function add(i, wanted, is_emission)
  local base, head, key, body = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  i = i + 4
  if head == '' then
    if not wanted then return i, false end
    if is_emission then count_emission(base) end
    return i, call('XADD', base, '*', 'key', key, 'body', body, 'attempt', '1', 'redrive', '0',
      'born', now_text)
  end
  local trace, once, window, delay, uid
  local children = 0
  local bulk = string.find(head, 'b', 1, true)
  if string.find(head, 't', 1, true) then trace = ARGV[i]; i = i + 1 end
  if string.find(head, 'o', 1, true) then once, window = ARGV[i], ARGV[i + 1]; i = i + 2 end
  if string.find(head, 'd', 1, true) then delay, uid = tonumber(ARGV[i]), ARGV[i + 1]; i = i + 2 end
  if string.find(head, 'e', 1, true) then children = tonumber(ARGV[i]); i = i + 1 end

  local added = false
  if wanted and not (once and call('EXISTS', once) == 1) then
    if delay then
      call('ZADD', base .. ':retry', string.format('%.0f', now + delay), cjson.encode({
        id = uid, lane = bulk and 'bulk' or 'live', key = key, body = body, attempt = '1',
        redrive = '0', born = now_text, traceparent = trace }))
      added = ''
    else
      local stream = bulk and (base .. ':bulk') or base
      if trace then
        added = call('XADD', stream, '*', 'key', key, 'body', body, 'attempt', '1',
          'redrive', '0', 'born', now_text, 'traceparent', trace)
      else
        added = call('XADD', stream, '*', 'key', key, 'body', body, 'attempt', '1',
          'redrive', '0', 'born', now_text)
      end
    end
    -- After the XADD: the key must never outlive an entry that was not added.
    if once then call('SET', once, added, 'PX', window) end
    if is_emission then count_emission(base) end
  end
  for _ = 1, children do i = add(i, added ~= false, true) end
  return i, added
end
