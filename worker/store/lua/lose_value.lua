-- Takes a value from a service, as a row that is not ours has it; the service waits for another one.
-- ARGV: 1 value, 2 pool, 3 service, 4 until when (ms) nobody gets the value
-- Returns 1; 0: the service does not have it (nothing is changed).
local holder, until_ms = holder_of(ARGV[1])
if holder ~= ARGV[3] or until_ms ~= 0 then
  return 0
end
set_holder(ARGV[1], ARGV[2], '', tonumber(ARGV[4]))
set_waiting(ARGV[2], ARGV[3], true, 0)
return 1
