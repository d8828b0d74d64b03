-- Releases a lock that was seized; the sweep checks the router at once.
-- ARGV: 1 router, 2 lock id
-- Returns 1, or 0 when the lock is lost.
local router = router_named(ARGV[1])
if redis.call('GET', router.lock) ~= ARGV[2] then
  return 0
end
redis.call('DEL', router.lock)
redis.call('ZADD', key.routers_due, whole(now_ms()), router.name)
return 1
