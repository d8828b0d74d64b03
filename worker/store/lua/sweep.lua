-- include: _time
-- What was left behind: journal entries that waited too long, routers with due marks and no
-- holder. Bounded a round, and what it rings for it moves on, so that it does not feed on itself.
-- KEYS: 1 sweep claim, 2 routers due, 3 journal due and 4 rung of lane 1, 5 6 of lane 2
-- ARGV: 1 claim (ms), 2 journal grace (ms), 3 routers at the most, 4 moved on by (ms),
--       5 ring lifetime of a lane (ms), 6 router key prefix, 7 lease suffix, 8 rung suffix,
--       9 ring lifetime of a router (ms)
-- Returns false when another worker swept just now, else {{lanes to ring}, {routers to ring}}.
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', tonumber(ARGV[1])) then
  return false
end
local now = now_ms()
local lanes = {}
for lane = 1, 2 do
  local late = redis.call('ZRANGEBYSCORE', KEYS[1 + 2 * lane], '-inf',
    whole(now - tonumber(ARGV[2])), 'LIMIT', 0, 1)
  if #late > 0 and redis.call('SET', KEYS[2 + 2 * lane], '1', 'NX', 'PX', tonumber(ARGV[5])) then
    lanes[#lanes + 1] = lane
  end
end
local rings = {}
local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', whole(now), 'LIMIT', 0, tonumber(ARGV[3]))
for _, name in ipairs(due) do
  redis.call('ZADD', KEYS[2], whole(now + tonumber(ARGV[4])), name)
  if redis.call('EXISTS', ARGV[6] .. name .. ARGV[7]) == 0
    and redis.call('SET', ARGV[6] .. name .. ARGV[8], '1', 'NX', 'PX', tonumber(ARGV[9])) then
    rings[#rings + 1] = name
  end
end
return { lanes, rings }
