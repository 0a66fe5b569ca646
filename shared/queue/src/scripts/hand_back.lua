#!lua flags=allow-oom
-- Gives deliveries back: anyone may take them at once, and the delivery does not count as a crash.
-- KEYS: live, bulk. ARGV: consumer, then each delivery as: lane, id, deliveries.
-- Returns how many were given back.
local GROUP = 'workers'
local consumer = ARGV[1]
local streams = { live = KEYS[1], bulk = KEYS[2] }
local count = 0
for n = 1, (#ARGV - 1) / 3 do
  local lane, id, deliveries = ARGV[n * 3 - 1], ARGV[n * 3], tonumber(ARGV[n * 3 + 1])
  local pending = redis.pcall('XPENDING', streams[lane], GROUP, id, id, 1, consumer)
  if not pending.err and pending[1] and pending[1][4] == deliveries then
    redis.call('XCLAIM', streams[lane], GROUP, 'handed-back', 0, id, 'RETRYCOUNT', deliveries - 1, 'JUSTID')
    count = count + 1
  end
end
return count
