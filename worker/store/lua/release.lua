-- include: _time _router
-- Gives back a lease that was seized; the sweep looks at the router at once.
-- ARGV: 1 router, 2 token
-- Returns 1, or 0 when the lease is no longer ours.
local router = router_named(ARGV[1])
if redis.call('GET', router.lock) ~= ARGV[2] then
  return 0
end
redis.call('DEL', router.lock)
redis.call('ZADD', key.routers_due, whole(now_ms()), router.name)
return 1
