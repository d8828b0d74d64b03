-- include: _time _many _router _notified
-- What was left behind: journal entries that waited too long, routers with due marks and no
-- holder. It must not feed on itself: bounded a round, what it rings for it moves on, and while
-- messages wait that nobody takes it sends no more of them.
-- ARGV: 1 between two sweeps (ms), 2 journal grace (ms), 3 routers at the most, 4 moved on by (ms),
--       5 ring lifetime of a lane (ms), 6 ring lifetime of a router (ms), 7.. names of the lanes
-- Returns false when another worker swept just now, {when} when that is yet to come by this clock,
-- which was set back then (nothing is swept), else {{lanes}, {routers}} of the messages sent.
local now, every = now_ms(), tonumber(ARGV[1])
local last = tonumber(redis.call('GET', key.sweep) or 0)
if last > now + every then
  return { whole(last) }
elseif now < last + every then
  return false
end
redis.call('SET', key.sweep, whole(now))
local lanes = {}
for i = 7, #ARGV do
  local journal = key.journal(ARGV[i])
  local before = whole(now - tonumber(ARGV[2]))
  local late = redis.call('ZCOUNT', journal.due, '-inf', before) > 0
  -- Whoever takes a message of a lane takes what its journal holds: one is enough.
  if late and redis.call('LLEN', journal.queue) == 0
    and redis.call('SET', journal.notified, '1', 'NX', 'PX', tonumber(ARGV[5])) then
    lanes[#lanes + 1] = ARGV[i]
    notify_lane(ARGV[i])
  end
end
local rings = {}
-- A message is of one router: more than there are routers to look at means that none is taken.
if redis.call('LLEN', key.queue('routers')) < redis.call('ZCARD', key.routers_due) then
  local due = redis.call('ZRANGEBYSCORE', key.routers_due, '-inf', whole(now),
    'LIMIT', 0, tonumber(ARGV[3]))
  for _, name in ipairs(due) do
    local router = router_named(name)
    redis.call('ZADD', key.routers_due, whole(now + tonumber(ARGV[4])), name)
    if redis.call('EXISTS', router.lock) == 0
      and redis.call('SET', router.notified, '1', 'NX', 'PX', tonumber(ARGV[6])) then
      rings[#rings + 1] = name
    end
  end
  notify_routers(rings)
end
return { lanes, rings }
