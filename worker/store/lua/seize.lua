-- Takes the lock of a router from any worker, also if its circuit is open or it is paused.
-- ARGV: 1 router, 2 lock id, 3 lock time (ms)
-- Returns for how many ms the former holder may still write: wait so long.
local router = router_named(ARGV[1])
local left = math.max(redis.call('PTTL', router.lock), 0)
redis.call('SET', router.lock, ARGV[2], 'PX', left + tonumber(ARGV[3]))
return left
