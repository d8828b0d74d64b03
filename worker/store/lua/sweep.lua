-- include: _time _kinds _call
-- What was left behind: journal entries that waited too long, routers with due marks and no
-- holder. It must not feed on itself: bounded a round, what it rings for it moves on, and while
-- messages wait that nobody takes it sends no more of them.
-- KEYS: 1 when somebody swept last, 2 routers due, 3 Celery queue of the routers, then of each lane journal due,
--       rung flag and Celery queue
-- ARGV: 1 between two sweeps (ms), 2 journal grace (ms), 3 routers at the most, 4 moved on by (ms),
--       5 ring lifetime of a lane (ms), 6 router key prefix, 7 lease suffix, 8 rung suffix,
--       9 ring lifetime of a router (ms), 10 and 11 names of the lanes
-- Returns false when another worker swept just now, {when} when that is yet to come by this clock,
-- which was set back then (nothing is swept), else {{lanes}, {routers}} of the messages sent.
must_be('string', KEYS[1], KEYS[5], KEYS[8])
must_be('zset', KEYS[2], KEYS[4], KEYS[7])
must_be('list', KEYS[3], KEYS[6], KEYS[9])
local now, every = now_ms(), tonumber(ARGV[1])
local last = tonumber(redis.call('GET', KEYS[1]) or 0)
if last > now + every then
  return { whole(last) }
elseif now < last + every then
  return false
end
redis.call('SET', KEYS[1], whole(now))
local lanes = {}
for lane = 1, 2 do
  local due, rung, queue = KEYS[1 + 3 * lane], KEYS[2 + 3 * lane], KEYS[3 + 3 * lane]
  local before = whole(now - tonumber(ARGV[2]))
  local late = redis.call('ZCOUNT', due, '-inf', before) > 0
  -- Whoever takes a message of a lane takes what its journal holds: one is enough.
  if late and redis.call('LLEN', queue) == 0
    and redis.call('SET', rung, '1', 'NX', 'PX', tonumber(ARGV[5])) then
    lanes[#lanes + 1] = lane
    call_for_lane(queue, ARGV[9 + lane])
  end
end
local rings = {}
-- A message is of one router: more than there are routers to look at means that none is taken.
if redis.call('LLEN', KEYS[3]) < redis.call('ZCARD', KEYS[2]) then
  local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', whole(now),
    'LIMIT', 0, tonumber(ARGV[3]))
  for _, name in ipairs(due) do
    redis.call('ZADD', KEYS[2], whole(now + tonumber(ARGV[4])), name)
    if redis.call('EXISTS', ARGV[6] .. name .. ARGV[7]) == 0
      and redis.call('SET', ARGV[6] .. name .. ARGV[8], '1', 'NX', 'PX', tonumber(ARGV[9])) then
      rings[#rings + 1] = name
      call_for_router(KEYS[3], name)
    end
  end
end
return { lanes, rings }
