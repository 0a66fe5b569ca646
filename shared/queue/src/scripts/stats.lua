#!lua flags=no-writes,allow-oom
-- How the queue stands. Costs nothing that grows with the backlog.
-- KEYS: live, bulk, retry, dead, born, pause. ARGV: silence in ms after which a consumer is gone.
-- Returns { waiting live, waiting bulk, in flight, scheduled, dead, consumers, age of the oldest
--   waiting or -1, live and bulk, age of the oldest in flight or -1, highest delivery count, age of the oldest that
--   was in hand and waits for a time again or -1, pauses }.
local GROUP, BACK = 'workers', 'handed-back'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function parts(id)
  local ms, seq = string.match(id, '^(%d+)%-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local function after(a, b)
  local am, as = parts(a)
  local bm, bs = parts(b)
  return am > bm or (am == bm and as > bs)
end

local waiting, in_flight, consumers, deliveries = {}, 0, 0, 0
local oldest_waiting, oldest_held = {}, nil
local last, back = {}, {}
local function older(a, b)
  if type(b) ~= 'number' or (a and a <= b) then return a end
  return b
end

for l, lane in ipairs({ 'live', 'bulk' }) do
  local stream = KEYS[l]
  local length = redis.call('XLEN', stream)
  waiting[l], last[lane], back[lane] = length, '0-0', {}
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  for _, flat in ipairs(groups.err and {} or groups) do
    local g = {}
    for i = 1, #flat, 2 do g[flat[i]] = flat[i + 1] end
    if g.name == GROUP then
      last[lane] = g['last-delivered-id']
      local pending, returned = g.pending, 0
      if pending > 0 then
        -- What was handed back is in nobody's hands.
        local start = '-'
        while true do
          local page = redis.call('XPENDING', stream, GROUP, start, '+', 1000)
          for _, p in ipairs(page) do
            local born = parts(p[1])
            if p[2] == BACK then
              returned = returned + 1
              back[lane][p[1]] = true
              oldest_waiting[l] = older(oldest_waiting[l], born)
            else
              oldest_held = older(oldest_held, born)
              deliveries = math.max(deliveries, p[4])
            end
          end
          if #page < 1000 then break end
          start = '(' .. page[#page][1]
        end
      end
      waiting[l] = length - pending + returned
      in_flight = in_flight + pending - returned
      -- A consumer says every second that it is there, and does so on the live lane. One that
      -- crashed is known to the group until somebody sweeps it up, and nobody may be left to do so.
      for _, c in ipairs(lane == 'live' and redis.call('XINFO', 'CONSUMERS', stream, GROUP) or {}) do
        local known = {}
        for i = 1, #c, 2 do known[c[i]] = c[i + 1] end
        if known.name ~= BACK and known.idle < tonumber(ARGV[1]) then consumers = consumers + 1 end
      end
    end
  end
  local first = redis.call('XRANGE', stream, '(' .. last[lane], '+', 'COUNT', 1)
  if first[1] then oldest_waiting[l] = older(oldest_waiting[l], (parts(first[1][1]))) end
end

-- Entries that came back (retries, delays, redrives) have young ids: their birth is indexed.
local found_waiting, found_held = { live = waiting[1] == 0, bulk = waiting[2] == 0 }, in_flight == 0
local from = 0
while not (found_waiting.live and found_waiting.bulk and found_held) and from <= in_flight + 1000 do
  local page = redis.call('ZRANGE', KEYS[5], from, from + 99, 'WITHSCORES')
  for i = 1, #page, 2 do
    local lane, id = string.match(page[i], '^(%a+):(.+)$')
    if after(id, last[lane]) or back[lane][id] then
      if not found_waiting[lane] then found_waiting[lane] = tonumber(page[i + 1]) end
    elseif not found_held then
      found_held = tonumber(page[i + 1])
    end
  end
  if #page < 200 then break end
  from = from + 100
end
oldest_waiting[1] = older(oldest_waiting[1], found_waiting.live)
oldest_waiting[2] = older(oldest_waiting[2], found_waiting.bulk)
oldest_held = older(oldest_held, found_held)

local scheduled = redis.call('ZCARD', KEYS[3])
local oldest_scheduled = scheduled > 0
  and tonumber(redis.call('ZRANGE', KEYS[3] .. ':born', 0, 0, 'WITHSCORES')[2])

local pauses = {}
for _, by in ipairs(redis.call('SMEMBERS', KEYS[6])) do
  local record = redis.call('GET', KEYS[6] .. ':' .. by)
  if record then pauses[#pauses + 1] = record end
end
local function age(ms) return ms and math.max(0, now - ms) or -1 end
return { waiting[1], waiting[2], in_flight, scheduled, redis.call('XLEN', KEYS[4]),
  consumers, age(oldest_waiting[1]), age(oldest_waiting[2]), age(oldest_held), deliveries,
  age(oldest_scheduled), pauses }
