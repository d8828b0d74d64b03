-- Resumes a paused router; the sweep notifies a worker at once.
-- ARGV: 1 router, 2 the audit entry
-- Returns 1, or 0 when it was not paused.
local router = router_named(ARGV[1])
if redis.call('HDEL', fleet.paused, router.name) == 0 then
  return 0
end
close_circuit(router, now_ms())
record_action(ARGV[2])
return 1
