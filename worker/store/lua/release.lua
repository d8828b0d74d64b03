-- include: _time _kinds _fields _router _marks _fleet
-- Lets go of a router that a person held; the sweep rings for it at once.
-- KEYS: 1 routers due, 2.. fleet block, 10.. router block
-- ARGV: 1 router, 2 the action as JSON
-- Returns 1, or 0 when nobody held it.
must_be('zset', KEYS[1])
local fleet, router = fleet_at(2), router_at(ARGV[1], 10)
if redis.call('HDEL', fleet.held, router.name) == 0 then
  return 0
end
unpark(fleet, router, KEYS[1], now_ms())
note_action(fleet, ARGV[2])
return 1
