#!lua flags=allow-oom
-- Makes the consumer group where it is missing, from the beginning (0, never $): what stands in the
-- stream was never handed out by this group. A script, since a full Redis would refuse the command.
-- KEYS: live, bulk. Returns how many were made.
local made = 0
for _, stream in ipairs(KEYS) do
  local reply = redis.pcall('XGROUP', 'CREATE', stream, 'workers', '0', 'MKSTREAM')
  if not reply.err then
    made = made + 1
  elseif not string.find(reply.err, 'BUSYGROUP', 1, true) then
    return reply
  end
end
return made
