-- Redis's clock was set back: moves stored times back by as much, and shortens flags, as if no time had
-- passed since the last sweep. A work item or a router may be checked early for that. What must not
-- happen early, the end of a lock and the second check of writes in flight, is only shortened to its
-- longest possible time.
-- ARGV: 1 JSON {last: time of the last sweep, lock_ms, release_ms: for how long a scheduled event
--         belongs to a worker, lanes: [[name, longest life of its flag (ms), for how long events belong
--         to a worker (ms)], …], canaries_ms: period of canaries, flag_ms: longest life of other flags}
-- Returns 1; 0 when another worker did it.
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

-- Moves the times of a sorted set that lie more than `margin` ahead; its scores are `offset` + time. The
-- fraction of a score keeps the order of arrival. None is before `earliest`, by default this moment.
local function move(times, offset, margin, until_ms, earliest)
  local found = redis.call('ZRANGEBYSCORE', times, whole(offset + now + margin),
    until_ms and whole(until_ms) or '(' .. whole(offset + SPAN), 'WITHSCORES')
  for i = 1, #found, 2 do
    local at = math.max(earliest or offset + now, tonumber(found[i + 1]) - back)
    redis.call('ZADD', times, string.format('%.4f', at), found[i])
  end
end

local function move_router(name)
  local router = router_named(name)
  shorten(router.lock, 2 * order.lock_ms) -- a seized lock includes the time of its former holder
  end_sooner(router.notified)
  end_sooner(key.watched(name))
  for priority = 0, 3 do
    move(router.due, priority * SPAN, 1)
  end
  local latest = now + 2 * order.lock_ms
  for _, service in ipairs(redis.call('HKEYS', router.inflight)) do
    local entry = read_in_flight(router, service)
    if entry.check_at > latest then
      write_in_flight(router, service, entry.lock_id, latest, entry.sent)
    end
  end
end

local names = {}
for _, due in ipairs({ key.routers_due, key.reports.due }) do
  for _, name in ipairs(redis.call('ZRANGE', due, 0, -1)) do
    names[name] = true
  end
end
for _, name in ipairs(redis.call('HKEYS', key.fleet.paused)) do
  names[name] = true
end
for name in pairs(names) do
  move_router(name)
end
-- Of scheduled events only those are near that a worker took and did not release: they are taken again.
move(key.schedule, 0, 1, order.last + 2 * order.release_ms)
for _, times in ipairs({ key.routers_due, key.reports.due, key.alerts_not_notified, key.watches_due,
  key.manifests, key.sources_known }) do
  move(times, 0, 1)
end
move(key.processes, 0, 1, nil, 0) -- a process that died is silent as long as before
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
