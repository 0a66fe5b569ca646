#!lua flags=allow-oom
-- Writes or ends one pause record.
-- KEYS: pause. ARGV: by, record and ms (0: until ended by hand) to write it; by alone to end it.
-- Returns 1 if a record was written or ended.
local record = KEYS[1] .. ':' .. ARGV[1]
if not ARGV[2] then
  redis.call('SREM', KEYS[1], ARGV[1])
  return redis.call('DEL', record)
end
if ARGV[3] == '0' then
  redis.call('SET', record, ARGV[2])
else
  redis.call('SET', record, ARGV[2], 'PX', ARGV[3])
end
redis.call('SADD', KEYS[1], ARGV[1])
return 1
