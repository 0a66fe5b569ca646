#!lua flags=allow-oom
-- What a queue needs every second: due entries come to wait, and somebody looks after lost leases.
-- KEYS: live, bulk, retry, born, pause. ARGV: consumer, most entries to promote, lease in ms.
-- Returns { time in ms, promoted, ms until the next is due or -1, '1' if something can be reclaimed,
--   '1' if something was handed back, operator's pause or '' }.
local GROUP = 'workers'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local now_text = string.format('%.0f', now)
local streams = { live = KEYS[1], bulk = KEYS[2] }

-- A blocking read neither makes its consumer known nor keeps it from looking idle. Looking at what
-- it has pending behind the last possible id does both, and returns nothing.
local LAST = '18446744073709551615-18446744073709551614'
redis.pcall('XREADGROUP', 'GROUP', GROUP, ARGV[1], 'COUNT', 1, 'STREAMS', KEYS[1], LAST)

-- Whether it can be promoted as it is; its reader judges the rest.
local function is_whole(entry)
  return type(entry) == 'table' and streams[entry.lane] ~= nil
    and type(entry.key) == 'string' and type(entry.body) == 'string'
    and (entry.born == nil
      or (type(entry.born) == 'string' and string.match(entry.born, '^%-?%d+$') ~= nil))
end

local due = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now_text, 'WITHSCORES', 'LIMIT', 0, ARGV[2])
local promoted = #due / 2
for n = 1, #due, 2 do
  local member = due[n]
  local readable, entry = pcall(cjson.decode, member)
  if readable and is_whole(entry) then
    local fields = {}
    for _, name in ipairs({ 'key', 'body', 'attempt', 'redrive', 'born', 'traceparent', 'history' }) do
      if type(entry[name]) == 'string' then
        fields[#fields + 1] = name
        fields[#fields + 1] = entry[name]
      end
    end
    local id = redis.call('XADD', streams[entry.lane], '*', unpack(fields))
    -- At once, so that no failure further on can promote it twice.
    redis.call('ZREM', KEYS[3], member)
    if type(entry.id) == 'string' then
      redis.call('ZREM', KEYS[3] .. ':born', due[n + 1] .. ':' .. entry.id)
    end
    if entry.born then redis.call('ZADD', KEYS[4], entry.born, entry.lane .. ':' .. id) end
  else
    -- Not ours to understand: its reader finds it malformed and buries it with an event.
    redis.call('XADD', KEYS[1], '*', 'body', member)
    redis.call('ZREM', KEYS[3], member)
  end
end

-- What somebody else took from the scheduled ones would be the oldest of them for ever.
while promoted < tonumber(ARGV[2]) do
  local oldest = redis.call('ZRANGE', KEYS[3] .. ':born', 0, 0)[1]
  if not oldest or tonumber(string.match(oldest, '^%d+') or 0) > now then break end
  redis.call('ZREM', KEYS[3] .. ':born', oldest)
end

local next_due = -1
local first = redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')
if first[2] then next_due = math.max(0, first[2] - now) end

local expired, handed_back = '', ''
for _, stream in pairs(streams) do
  local pending = redis.pcall('XPENDING', stream, GROUP, 'IDLE', ARGV[3], '-', '+', 1)
  if not pending.err and pending[1] then expired = '1' end
  pending = redis.pcall('XPENDING', stream, GROUP, '-', '+', 1, 'handed-back')
  if not pending.err and pending[1] then handed_back = '1' end
end
return { now, promoted, next_due, expired, handed_back, redis.call('GET', KEYS[5] .. ':operator') or '' }
