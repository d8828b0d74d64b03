-- Sets the state of a router whose lock we hold.
-- ARGV: 1 router, 2 lock id, 3 state as JSON
-- Returns 1, or 0 when the lock is lost (nothing is changed then).
local router = router_named(ARGV[1])
if redis.call('GET', router.lock) ~= ARGV[2] then
  return 0
end
set_state(router, ARGV[3])
return 1
