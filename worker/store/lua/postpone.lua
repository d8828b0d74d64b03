-- Postpones a router that is not locked: no worker is notified before the sweep does it then.
-- ARGV: 1 router, 2 wait (ms)
-- Returns 1, or 0 when it is locked, its circuit is open or it has no work.
local router = router_named(ARGV[1])
local wait = tonumber(ARGV[2])
if redis.call('EXISTS', router.lock) == 1 or redis.call('GET', router.notified) == 'circuit_open'
  or not redis.call('ZSCORE', key.routers_due, router.name) then
  return 0
end
redis.call('SET', router.notified, '1', 'PX', wait)
redis.call('ZADD', key.routers_due, whole(now_ms() + wait), router.name)
return 1
