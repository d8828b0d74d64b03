-- include: _router
-- Takes the lease on a router from whoever has it, parked or held as it may be.
-- ARGV: 1 router, 2 token, 3 lease (ms)
-- Returns for how many ms the former holder may still write: wait so long.
local router = router_named(ARGV[1])
local left = math.max(redis.call('PTTL', router.lock), 0)
redis.call('SET', router.lock, ARGV[2], 'PX', left + tonumber(ARGV[3]))
return left
