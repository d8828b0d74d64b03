-- include: _time _kinds _fields _router _marks _fleet
-- Binds another serial to a router's name, and marks all its services: the new one is built anew.
-- KEYS: 1 routers due, 2.. fleet block, 10.. router block
-- ARGV: 1 router, 2 serial, 3 stamp, 4 priority, 5 the action as JSON
-- Returns {services marked}, or {-1, other names…} when the serial is theirs (nothing is changed).
must_be('zset', KEYS[1])
local fleet, router = fleet_at(2), router_at(ARGV[1], 10)
local others = others_of(fleet, ARGV[2], router.name)
if #others > 0 then
  return { -1, unpack(others) }
end
local now = now_ms()
bind(fleet, ARGV[2], router.name)
redis.call('HDEL', fleet.surveyed, router.name)
redis.call('DEL', router.state)
local left = revoke(router)
local marked = mark_all(router, tonumber(ARGV[4]), now, ARGV[3], KEYS[1])
unpark(fleet, router, KEYS[1], now + left)
note_action(fleet, ARGV[5])
return { marked }
