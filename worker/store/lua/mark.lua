-- include: _time _kinds _fields _router _marks _notes _call _ring
-- Marks services of one router to be looked at.
-- KEYS: 1 routers due, 2.. router block
-- ARGV: 1 router, 2 stamp, 3 priority, 4 in how many ms, 5 whether rows of which no record tells
--       may be there 1|0, 6.. services
-- Returns 1 when a message was sent for the router.
must_be('zset', KEYS[1])
local router = router_at(ARGV[1], 2)
local priority, delay = tonumber(ARGV[3]), tonumber(ARGV[4])
local due = now_ms() + delay
for i = 6, #ARGV do
  if ARGV[5] == '1' then
    note_closely(router, ARGV[i])
  end
  mark(router, ARGV[i], priority, due, ARGV[2], KEYS[1])
end
return delay == 0 and ring(router, KEYS[1]) and 1 or 0
