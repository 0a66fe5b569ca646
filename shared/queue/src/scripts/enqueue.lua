#!lua
-- Enqueues entries. Without allow-oom: a full Redis refuses new work before anything is written.
-- ARGV: number of entries, then the entries (see add.lua).
-- Returns { for each its id, '' (scheduled) or nil (duplicate), what was emitted (see add.lua) }.
local results = {}
local i = 2
for n = 1, tonumber(ARGV[1]) do i, results[n] = add(i, true) end
return { results, emitted }
