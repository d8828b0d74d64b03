-- include: _time _kinds _fields _router _marks _notes _fleet
-- A person has services of a router looked at, at once, whatever it was parked for.
-- KEYS: 1 routers due, 2.. fleet block, 10.. router block
-- ARGV: 1 router, 2 stamp, 3 priority, 4 the action as JSON, 5.. services
-- Returns how many services were marked.
must_be('zset', KEYS[1])
local fleet, router = fleet_at(2), router_at(ARGV[1], 10)
local now = now_ms()
for i = 5, #ARGV do
  note_closely(router, ARGV[i])
  mark(router, ARGV[i], tonumber(ARGV[3]), now, ARGV[2], KEYS[1])
end
unpark(fleet, router, KEYS[1], now)
note_action(fleet, ARGV[4])
return #ARGV - 4
