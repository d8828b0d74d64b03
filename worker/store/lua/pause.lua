-- Pauses a router: no worker writes to it until it is resumed; its work items stay.
-- ARGV: 1 router, 2 who, when and why as JSON, 3 the audit entry
-- Returns after how many ms no worker can write to it any more.
local router = router_named(ARGV[1])
redis.call('HSET', fleet.paused, router.name, ARGV[2])
local left = revoke(router)
redis.call('SET', router.notified, 'circuit_open')
redis.call('ZREM', key.routers_due, router.name)
record_action(ARGV[3])
return left
