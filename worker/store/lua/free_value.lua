-- Ends the quarantine of a value of a pool, in a person's name.
-- ARGV: 1 value, 2 pool, 3 the audit entry
-- Returns 1 freed | 0 a service has it, or its row may still stand, or it is free (nothing is changed).
local _, until_ms = holder_of(ARGV[1])
if not get(key.assigned, ARGV[1]) or until_ms <= 0 then
  return 0
end
forget_value(ARGV[1], ARGV[2])
record_action(ARGV[3])
return 1
