#!lua flags=allow-oom
-- Takes entries away without a trace of what they held; whoever has one in hand finds it lost.
-- KEYS: live, bulk, retry, dead, born. ARGV: place (live, bulk, retry, dead), then the ids of its
--   entries; of scheduled ones the members.
-- Returns how many were there.
local GROUP, DAY = 'workers', 86400000
local place, gone = ARGV[1], 0
local stream = ({ live = KEYS[1], bulk = KEYS[2] })[place]
for n = 2, #ARGV do
  local id = ARGV[n]
  if place == 'retry' then
    local due = redis.call('ZSCORE', KEYS[3], id)
    local readable, entry = pcall(cjson.decode, id)
    if due and readable and type(entry) == 'table' and type(entry.id) == 'string' then
      redis.call('ZREM', KEYS[3] .. ':born', due .. ':' .. entry.id)
    end
    gone = gone + redis.call('ZREM', KEYS[3], id)
  elseif place == 'dead' then
    gone = gone + redis.call('XDEL', KEYS[4], id)
  else
    local pending = redis.pcall('XPENDING', stream, GROUP, id, id, 1)
    if not pending.err and pending[1] then
      -- The note that a settlement leaves: the copy in hand must not pass for the only one left.
      redis.call('SET', KEYS[1] .. ':settled:' .. place .. ':' .. id, '1', 'PX', DAY)
      redis.call('XACK', stream, GROUP, id)
    end
    gone = gone + redis.call('XDEL', stream, id)
    redis.call('ZREM', KEYS[5], place .. ':' .. id)
  end
end
return gone
