#!lua flags=allow-oom
-- Deletes consumers that are gone: silent for long, and with nothing pending (deleting a consumer
-- drops its pending entries, and nobody would ever be given them again).
-- KEYS: live, bulk. ARGV: silence in ms, this consumer; or '' and the consumer to retire.
-- Returns how many were deleted.
local GROUP = 'workers'
local deleted = 0
for _, stream in ipairs(KEYS) do
  local consumers = redis.pcall('XINFO', 'CONSUMERS', stream, GROUP)
  if not consumers.err then
    for _, flat in ipairs(consumers) do
      local c = {}
      for i = 1, #flat, 2 do c[flat[i]] = flat[i + 1] end
      local gone
      if ARGV[1] == '' then
        gone = c.name == ARGV[2]
      else
        gone = c.name ~= ARGV[2] and c.idle >= tonumber(ARGV[1])
      end
      if gone and c.pending == 0 then
        redis.call('XGROUP', 'DELCONSUMER', stream, GROUP, c.name)
        deleted = deleted + 1
      end
    end
  end
end
return deleted
