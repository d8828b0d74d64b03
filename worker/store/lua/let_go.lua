-- include: _time _kinds _router
-- Gives back a lease that was seized; the sweep looks at the router at once.
-- KEYS: 1 routers due, 2.. router block
-- ARGV: 1 router, 2 token
-- Returns 1, or 0 when the lease is no longer ours.
must_be('zset', KEYS[1])
local router = router_at(ARGV[1], 2)
if redis.call('GET', router.lease) ~= ARGV[2] then
  return 0
end
redis.call('DEL', router.lease)
redis.call('ZADD', KEYS[1], whole(now_ms()), router.name)
return 1
