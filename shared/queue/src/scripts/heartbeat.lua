#!lua flags=allow-oom
-- Extends the leases of deliveries that are still this consumer's, with this delivery count.
-- KEYS: live, bulk. ARGV: consumer, then each delivery as: lane, id, deliveries.
-- Returns three lists of positions (from 1): those that are not ours any more, those whose entry is
-- gone without anybody having settled it (which means something only if the server lost data), and
-- those that were ours until now and whose entry was deleted by somebody's hand.
local GROUP = 'workers'
local consumer = ARGV[1]
local streams = { live = KEYS[1], bulk = KEYS[2] }
local kept = { live = {}, bulk = {} }
local lost, orphaned, vanished = {}, {}, {}
for n = 1, (#ARGV - 1) / 3 do
  local lane, id, deliveries = ARGV[n * 3 - 1], ARGV[n * 3], tonumber(ARGV[n * 3 + 1])
  local pending = redis.pcall('XPENDING', streams[lane], GROUP, id, id, 1, consumer)
  if not pending.err and pending[1] and pending[1][4] == deliveries then
    kept[lane][#kept[lane] + 1] = { id, n }
  elseif #redis.call('XRANGE', streams[lane], id, id) == 0
    and redis.call('EXISTS', KEYS[1] .. ':settled:' .. lane .. ':' .. id) == 0 then
    orphaned[#orphaned + 1] = n
  else
    lost[#lost + 1] = n
  end
end
for lane, ours in pairs(kept) do
  for first = 1, #ours, 1000 do
    local claim = { streams[lane], GROUP, consumer, 0 }
    for k = first, math.min(first + 999, #ours) do claim[#claim + 1] = ours[k][1] end
    claim[#claim + 1] = 'JUSTID'
    local extended = {}
    for _, id in ipairs(redis.call('XCLAIM', unpack(claim))) do extended[id] = true end
    for k = first, math.min(first + 999, #ours) do
      -- Claiming takes what was deleted off the pending list.
      if not extended[ours[k][1]] then vanished[#vanished + 1] = ours[k][2] end
    end
  end
end
return { lost, orphaned, vanished }
