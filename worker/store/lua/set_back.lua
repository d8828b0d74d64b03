-- include: _time _many _writes _router _work_items _in_flight
-- Redis's clock was set back: moments that were noted by the former one come later by as much, and
-- flags live longer. Moves them, as if no time had gone by since the last sweep. A mark or a router
-- may be looked at early for that; what must not happen early, a lease's end and the second look at
-- writes in flight, is shortened to the longest that it can be.
-- ARGV: 1 JSON {last: when that was, lock_ms, release_ms: for how long a scheduled event is left
--         to whoever took it, lanes: [[name, longest life of its flag (ms), for how long (ms) what a
--         worker took is its own], …], canaries_ms: between two rounds of
--         canaries, flag_ms: longest life of the other flags}
-- Returns 1; 0 when somebody else did it.
local order = cjson.decode(ARGV[1])
local now = now_ms()
local back = order.last - now
if redis.call('GET', key.sweep) ~= whole(order.last) or back <= 0 then
  return 0
end

local function shorten(flag, longest)
  if redis.call('PTTL', flag) > longest then
    redis.call('PEXPIRE', flag, longest)
  end
end

local function end_sooner(flag)
  local left = redis.call('PTTL', flag)
  if left > back then
    redis.call('PEXPIRE', flag, left - back)
  elseif left > 0 then
    redis.call('DEL', flag)
  end
end

-- What lies ahead in a sorted set, whose scores are moments beside `offset`. The fraction of a score
-- keeps the order in which it came.
local function move(moments, offset, right, until_ms)
  local found = redis.call('ZRANGEBYSCORE', moments, whole(offset + now + right),
    until_ms and whole(until_ms) or '(' .. whole(offset + SPAN), 'WITHSCORES')
  for i = 1, #found, 2 do
    local at = math.max(offset + now, tonumber(found[i + 1]) - back)
    redis.call('ZADD', moments, string.format('%.4f', at), found[i])
  end
end

local function move_router(name)
  local router = router_named(name)
  shorten(router.lock, 2 * order.lock_ms) -- who takes one that another has waits for its end
  end_sooner(router.notified)
  end_sooner(key.watched(name))
  for priority = 0, 3 do
    move(router.due, priority * SPAN, 1)
  end
  local latest = now + 2 * order.lock_ms
  for _, service in ipairs(redis.call('HKEYS', router.inflight)) do
    local found = read_in_flight(router, service)
    if found.check_at > latest then
      write_in_flight(router, service, found.lock_id, latest, found.sent)
    end
  end
end

local names = {}
for _, each in ipairs({ key.routers_due, key.reports.due }) do
  for _, name in ipairs(redis.call('ZRANGE', each, 0, -1)) do
    names[name] = true
  end
end
for _, name in ipairs(redis.call('HKEYS', key.fleet.paused)) do
  names[name] = true
end
for name in pairs(names) do
  move_router(name)
end
-- Of what is scheduled only that is near which somebody took and did not release: it is taken anew.
move(key.schedule, 0, 1, order.last + 2 * order.release_ms)
for _, moments in ipairs({ key.routers_due, key.reports.due, key.alerts_not_notified, key.awaiting_device,
  key.manifests, key.workers, key.sources_known }) do
  move(moments, 0, 1)
end
redis.call('DEL', key.canaries)
shorten(key.canary_claim, order.canaries_ms)
for _, flag in ipairs({ key.maintenance, key.alert_check, key.notifications, key.reports.check }) do
  shorten(flag, order.flag_ms)
end
for _, lane in ipairs(order.lanes) do
  local journal = key.journal(lane[1])
  shorten(journal.notified, lane[2])
  move(journal.due, 0, lane[3])
end
redis.call('SET', key.sweep, whole(now))
return 1
