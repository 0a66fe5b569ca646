#!lua
-- Takes entries out of the dead letters, each only if it is still there.
-- They wait from now on, however long they were dead: that is the age their index tells.
-- KEYS: dead, live, bulk, born. ARGV: number of letters, then each as: id, lane, number of
--   field names and values, those, number of emissions, emissions.
-- Returns { how many were taken out, what was emitted (see add.lua) }.
local streams = { live = KEYS[2], bulk = KEYS[3] }
local taken = 0
local i = 2
for _ = 1, tonumber(ARGV[1]) do
  local letter, lane, fields = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  i = i + 3
  local found = redis.call('XRANGE', KEYS[1], letter, letter)[1]
  if found then
    local id = redis.call('XADD', streams[lane], '*', unpack(ARGV, i, i + fields - 1))
    redis.call('ZADD', KEYS[4], now_text, lane .. ':' .. id)
    redis.call('XDEL', KEYS[1], letter)
    taken = taken + 1
  end
  i = i + fields
  local emissions = tonumber(ARGV[i])
  i = i + 1
  for _ = 1, emissions do i = add(i, found ~= nil, true) end
end
return { taken, emitted }
