-- Puts a value into the set of its pool, if it is still held as it was read.
-- ARGV: 1 value, 2 pool, 3 service, 4 until when (ms)
local holder, until_ms = holder_of(ARGV[1])
if holder == ARGV[3] and until_ms == tonumber(ARGV[4]) then
  set_holder(ARGV[1], ARGV[2], holder, until_ms)
end
