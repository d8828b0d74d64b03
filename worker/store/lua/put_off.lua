-- include: _time _kinds _router
-- Puts a router off for a moment that nobody holds: the sweep rings for it then, nobody before.
-- KEYS: 1 routers due, 2.. router block
-- ARGV: 1 router, 2 wait (ms)
-- Returns 1, or 0 when it is held, parked or has nothing to do.
must_be('zset', KEYS[1])
local router = router_at(ARGV[1], 2)
local wait = tonumber(ARGV[2])
if redis.call('EXISTS', router.lease) == 1 or redis.call('GET', router.rung) == 'parked'
  or not redis.call('ZSCORE', KEYS[1], router.name) then
  return 0
end
redis.call('SET', router.rung, '1', 'PX', wait)
redis.call('ZADD', KEYS[1], whole(now_ms() + wait), router.name)
return 1
