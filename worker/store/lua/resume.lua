-- include: _time _many _writes _router _work_items _fleet
-- Lets go of a router that a person held; the sweep rings for it at once.
-- ARGV: 1 router, 2 the action as JSON
-- Returns 1, or 0 when nobody held it.
local router = router_named(ARGV[1])
if redis.call('HDEL', fleet.paused, router.name) == 0 then
  return 0
end
close_circuit(router, now_ms())
log_action(ARGV[2])
return 1
