-- Finds work that was left behind: journal events that waited too long, routers with due work and no
-- lock. It must not feed on itself: each round is bounded, routers are moved on, and while no worker
-- takes the messages it sends no more of them.
-- ARGV: 1 period of the sweep (ms), 2 how long events may wait (ms), 3 most routers, 4 moved on by (ms)
--       or until the lock of a pass that died is over,
--       5 lifetime of a lane's flag (ms), 6 of a router's flag (ms), 7.. names of the lanes
-- Returns false when another worker swept just now; {when} when that is yet to come by this clock,
-- which was set back (nothing is swept then); else {{lanes}, {routers}} that were notified.
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
  -- One message is enough: a worker of the lane takes all that the journal has.
  if late and redis.call('LLEN', journal.queue) == 0
    and redis.call('SET', journal.notified, '1', 'NX', 'PX', tonumber(ARGV[5])) then
    lanes[#lanes + 1] = ARGV[i]
    notify_lane(ARGV[i])
  end
end
local notified = {}
-- One message is of one router: more messages than routers mean that no worker takes them.
if redis.call('LLEN', key.queue('routers')) < redis.call('ZCARD', key.routers_due) then
  local due = redis.call('ZRANGEBYSCORE', key.routers_due, '-inf', whole(now),
    'LIMIT', 0, tonumber(ARGV[3]))
  local most_ms = tonumber(ARGV[4])
  for _, name in ipairs(due) do
    local router = router_named(name)
    local locked_ms = redis.call('PTTL', router.lock) -- -2: it is not locked
    local moved_on = locked_ms == -2 and most_ms or math.min(most_ms, math.max(locked_ms, 1))
    redis.call('ZADD', key.routers_due, whole(now + moved_on), name)
    if locked_ms == -2
      and redis.call('SET', router.notified, '1', 'NX', 'PX', tonumber(ARGV[6])) then
      notified[#notified + 1] = name
    end
  end
  notify_routers(notified)
end
return { lanes, notified }
