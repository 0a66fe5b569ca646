#!lua flags=allow-oom
-- Settles deliveries: each only if it is still this consumer's, with this delivery count.
-- KEYS: live, bulk, retry, dead, born, pause.
-- ARGV: consumer, mode, number of deliveries, then each as: lane, id, deliveries, whether it is
--   indexed by birth, verdict and its arguments, number of emissions, emissions.
-- Modes: 'each' and 'range' differ in how they look at what is pending; 'orphan' is for deliveries
--   of a server that lost data: they are settled if their entry is gone and nobody settled it.
-- Returns { { the positions (from 1) of those that were not ours any more, the stuck ones as position,
--   why, position, why … }, what was emitted (see add.lua) }. Stuck is what cannot be written now: it
--   is left as it was, whole, since what a script has written stays written when it fails.
local GROUP = 'workers'
local consumer = ARGV[1]
local streams = { live = KEYS[1], bulk = KEYS[2] }
local held = {}

-- One XPENDING for all when most of what this consumer holds is being settled.
local function load_lane(lane)
  local counts = {}
  local pending = redis.pcall('XPENDING', streams[lane], GROUP, '-', '+', 10000, consumer)
  if not pending.err then
    for _, p in ipairs(pending) do counts[p[1]] = p[4] end
  end
  held[lane] = counts
end

-- Who settles what another one may still believe to have in hand leaves a note.
local DAY = 86400000
local function note(lane, id) return KEYS[1] .. ':settled:' .. lane .. ':' .. id end

local function ours(lane, id, deliveries)
  if ARGV[2] == 'orphan' then
    return #redis.call('XRANGE', streams[lane], id, id) == 0
      and redis.call('EXISTS', note(lane, id)) == 0
  end
  if ARGV[2] == 'range' then
    if not held[lane] then load_lane(lane) end
    return held[lane][id] == deliveries
  end
  local pending = redis.pcall('XPENDING', streams[lane], GROUP, id, id, 1, consumer)
  return not pending.err and pending[1] ~= nil and pending[1][4] == deliveries
end

-- Why this key cannot be written to, if it cannot.
local obstacles = {}
local function obstacle_at(key, wanted)
  if obstacles[key] == nil then
    local found = redis.call('TYPE', key).ok
    obstacles[key] = found ~= 'none' and found ~= wanted
      and ('WRONGTYPE ' .. key .. ' is a ' .. found .. ' and should be a ' .. wanted)
  end
  return obstacles[key]
end

local function obstacle_to_verdict(verdict)
  if verdict == 'dead' then return obstacle_at(KEYS[4], 'stream') end
  if verdict == 'retry' then return obstacle_at(KEYS[3], 'zset') end
  if verdict == 'park' then return obstacle_at(KEYS[3], 'zset') or obstacle_at(KEYS[6], 'set') end
end

-- Takes the emissions' heads apart, which adding them takes from there.
local function obstacle_to_emissions(i, emissions)
  heads = {}
  for _ = 1, emissions do i = add(i, false, true) end
  for _, head in pairs(heads) do
    local obstacle
    if head.delayed then
      obstacle = obstacle_at(head.base .. ':retry', 'zset')
    else
      obstacle = obstacle_at(head.stream, 'stream')
    end
    if obstacle then return obstacle end
  end
end

local leaving = { live = {}, bulk = {} }

local function leave(lane, ids)
  for first = 1, #ids, 1000 do
    local last = math.min(first + 999, #ids)
    redis.pcall('XACK', streams[lane], GROUP, unpack(ids, first, last))
    redis.call('XDEL', streams[lane], unpack(ids, first, last))
  end
end

-- How old the oldest of those is that were in hand and wait for a time again is told by an index of
-- its own: they are sorted by when they are due.
local function schedule(lane, id, due, member)
  due = string.format('%.0f', due)
  redis.call('ZADD', KEYS[3], due, member)
  redis.pcall('ZADD', KEYS[3] .. ':born', cjson.decode(member).born, due .. ':' .. lane .. ':' .. id)
end

local function pause(by, wait, reason)
  local record = KEYS[6] .. ':' .. by
  local ends = now + wait
  local known = redis.call('PTTL', record)
  if known == -1 then return ends end
  if known >= wait then return now + known end
  redis.call('SET', record, cjson.encode({ by = by, until_ms = ends, reason = reason }), 'PX', wait)
  redis.call('SADD', KEYS[6], by)
  return ends
end

local lost, stuck = {}, {}
local ARGUMENTS = { done = 0, remember = 2, retry = 2, park = 4 }
local i = 4
for n = 1, tonumber(ARGV[3]) do
  local lane, id, deliveries, indexed, verdict =
    ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), ARGV[i + 3], ARGV[i + 4]
  local own = i + 5
  i = own + (ARGUMENTS[verdict] or 1 + ARGV[own])
  local emissions = tonumber(ARGV[i])
  i = i + 1
  local mine = ours(lane, id, deliveries)
  local obstacle = mine
    and (obstacle_to_verdict(verdict) or (emissions > 0 and obstacle_to_emissions(i, emissions)))
  local settles = mine and not obstacle
  if settles then
    if verdict == 'remember' then
      -- Done, and what makes the same work a duplicate counts from now on.
      redis.call('SET', ARGV[own], '1', 'PX', ARGV[own + 1])
    elseif verdict == 'retry' then
      schedule(lane, id, now + ARGV[own], ARGV[own + 1])
    elseif verdict == 'park' then
      local ends = pause(ARGV[own], tonumber(ARGV[own + 1]), ARGV[own + 2])
      schedule(lane, id, ends, ARGV[own + 3])
    elseif verdict == 'dead' then
      redis.call('XADD', KEYS[4], '*', unpack(ARGV, own + 1, own + ARGV[own]))
    end
  end
  for _ = 1, emissions do i = add(i, settles, true) end
  if obstacle then
    stuck[#stuck + 1] = n
    stuck[#stuck + 1] = obstacle
  elseif not mine then
    lost[#lost + 1] = n
  else
    if deliveries > 1 or ARGV[2] == 'orphan' then
      redis.call('SET', note(lane, id), '1', 'PX', DAY)
    end
    if indexed == '1' then redis.call('ZREM', KEYS[5], lane .. ':' .. id) end
    if verdict == 'done' and emissions == 0 then
      table.insert(leaving[lane], id)
    else
      -- At once, so that a failure further on cannot make this one's effects happen twice.
      leave(lane, { id })
    end
  end
end
leave('live', leaving.live)
leave('bulk', leaving.bulk)
return { { lost, stuck }, emitted }
