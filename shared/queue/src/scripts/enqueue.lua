#!lua
-- Enqueues entries. Without allow-oom: a full Redis refuses new work before anything is written.
-- ARGV: number of entries, then the entries (see add.lua).
-- Returns { what became of each, what was emitted (see add.lua) }; the first is one text with a
--   word for each entry, its id, + (scheduled) or - (not added), since a text is cheaper to read
--   than a list. An id is followed by ! where something that came with it was enqueued before.
local results = {}
local i = 2
for n = 1, tonumber(ARGV[1]) do
  local added
  local before = known
  i, added = add(i, true)
  results[n] = added == false and '-' or added == '' and '+'
    or known > before and added .. '!' or added
end
return { table.concat(results, ' '), emitted }
