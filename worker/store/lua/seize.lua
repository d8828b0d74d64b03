-- include: _time _kinds _router
-- Takes the lease on a router from whoever has it, parked or held as it may be.
-- KEYS: 1 routers due, 2.. router block
-- ARGV: 1 router, 2 token, 3 lease (ms)
-- Returns for how many ms the former holder may still write: wait so long.
must_be('zset', KEYS[1])
local router = router_at(ARGV[1], 2)
local left = math.max(redis.call('PTTL', router.lease), 0)
redis.call('SET', router.lease, ARGV[2], 'PX', left + tonumber(ARGV[3]))
return left
