#!lua flags=allow-oom
-- Ends the leases of all deliveries, as if their time had run out: anyone may take them at once, and
-- each counts as a crash of whoever had it.
-- KEYS: live, bulk. Returns how many were ended.
local GROUP, BACK = 'workers', 'handed-back'
local ended = 0
for _, stream in ipairs(KEYS) do
  local start = '-'
  while true do
    local page = redis.pcall('XPENDING', stream, GROUP, start, '+', 1000)
    if page.err or #page == 0 then break end
    for _, p in ipairs(page) do
      if p[2] ~= BACK then
        redis.call('XCLAIM', stream, GROUP, BACK, 0, p[1], 'RETRYCOUNT', p[4], 'JUSTID')
        ended = ended + 1
      end
    end
    start = '(' .. page[#page][1]
  end
end
return ended
