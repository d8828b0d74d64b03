-- include: _time _kinds _fields _router _marks _fleet
-- A person holds a router: no worker writes to it until it is released; its marks stay.
-- KEYS: 1 routers due, 2.. fleet block, 10.. router block
-- ARGV: 1 router, 2 who, when and why as JSON, 3 the action as JSON
-- Returns in how many ms no worker can be at it any more.
must_be('zset', KEYS[1])
local fleet, router = fleet_at(2), router_at(ARGV[1], 10)
redis.call('HSET', fleet.held, router.name, ARGV[2])
local left = revoke(router)
redis.call('SET', router.rung, 'parked')
redis.call('ZREM', KEYS[1], router.name)
note_action(fleet, ARGV[3])
return left
