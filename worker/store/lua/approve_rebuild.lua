-- include: _time _kinds _fields _router _marks _fleet
-- A person approves that many rows of ours are written again to a router; it is looked at at once.
-- KEYS: 1 routers due, 2.. fleet block, 10.. router block, 25 what full reads found
-- ARGV: 1 router, 2 until when (ms), 3 lifetime (s), 4 the action as JSON
must_be('zset', KEYS[1])
must_be('hash', KEYS[25])
local fleet, router = fleet_at(2), router_at(ARGV[1], 10)
redis.call('HSET', KEYS[25], 'approved', ARGV[2])
redis.call('EXPIRE', KEYS[25], tonumber(ARGV[3]))
unpark(fleet, router, KEYS[1], now_ms())
note_action(fleet, ARGV[4])
return 1
