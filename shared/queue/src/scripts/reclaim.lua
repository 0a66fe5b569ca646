#!lua flags=allow-oom
-- Takes over entries that are in nobody's hands. What crashed a worker before, or was in its hands
-- when it crashed, is suspect: it is taken only by a consumer that does nothing else, and nothing
-- else with it, so that it is known who crashes and nobody is buried for his neighbour.
-- KEYS: live, bulk, born. ARGV: consumer, most entries to take from live, from bulk and together,
--   lease in ms, the time this clock should show for expired leases to be taken ('' where they must
--   not) and by how many ms it may be off, '1' if this consumer does nothing now, the deliveries
--   beyond which an entry is only buried (0: none is suspect), then what this consumer has in hand ("lane:id").
-- Returns { taken, vanished, '1' if suspects may be left }; taken holds { lane, why, deliveries,
-- entry }, vanished "lane:id" of entries whose payload was deleted while they were pending: data loss
-- by somebody's hand.
local GROUP = 'workers'
local consumer, together, lease = ARGV[1], tonumber(ARGV[4]), tonumber(ARGV[5])
local in_hand = {}
local free, most_deliveries = ARGV[8] == '1', tonumber(ARGV[9])
local held = #ARGV - 9
for i = 10, #ARGV do in_hand[ARGV[i]] = true end
local taken, vanished = {}, {}
local alone, suspects_left = false, ''

-- A clock that was set forward makes all leases look expired.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local expected = tonumber(ARGV[6])
local expires = expected ~= nil and math.abs(now - expected) <= tonumber(ARGV[7])

local function take(lane, stream, id, why, deliveries, keep_count)
  local claimed
  if keep_count then
    claimed = redis.call('XCLAIM', stream, GROUP, consumer, 0, id, 'RETRYCOUNT', deliveries)
  else
    deliveries = deliveries + 1
    claimed = redis.call('XCLAIM', stream, GROUP, consumer, 0, id)
  end
  if claimed[1] then
    taken[#taken + 1] = { lane, why, deliveries, claimed[1] }
    return 1
  end
  vanished[#vanished + 1] = lane .. ':' .. id
  redis.call('XACK', stream, GROUP, id)
  redis.call('ZREM', KEYS[3], lane .. ':' .. id)
  return 0
end

for l, lane in ipairs({ 'live', 'bulk' }) do
  local stream, room = KEYS[l], tonumber(ARGV[l + 1])
  local function sweep(why, keep_count, pending)
    if pending.err then return end
    for _, p in ipairs(pending) do
      if alone or #taken >= together then return end
      if not (p[2] == consumer and in_hand[lane .. ':' .. p[1]]) then
        local deliveries = keep_count and p[4] or p[4] + 1
        if deliveries == 1 or deliveries > most_deliveries then
          if room > 0 then room = room - take(lane, stream, p[1], why, p[4], keep_count) end
        else
          suspects_left = '1'
          if free and #taken == 0 then
            alone = take(lane, stream, p[1], why, p[4], keep_count) == 1
          end
        end
      end
    end
  end
  local most = room + held + 1
  -- Mine, but not in hand: the reply that brought them was lost with its connection.
  sweep('lost_reply', true, redis.pcall('XPENDING', stream, GROUP, '-', '+', most, consumer))
  sweep('handed_back', false, redis.pcall('XPENDING', stream, GROUP, '-', '+', most, 'handed-back'))
  if expires then
    sweep('expired', false, redis.pcall('XPENDING', stream, GROUP, 'IDLE', lease, '-', '+', most))
  end
end
return { taken, vanished, suspects_left }
