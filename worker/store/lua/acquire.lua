-- Locks a router, and takes the first batch of due work items.
-- ARGV: 1 router, 2 lock id, 3 lock time (ms), 4 work version for what this adds, 5 most work items,
--       6 digest of the worker's policy (empty: it has none), 7 that policy as it is stored if none
--       is applied yet, 8 state as JSON and 9 wait (ms) for a router with another policy applied,
--       10 how long a full read is good (ms), 11 most bulk work items, 12 bulk pass 1|0
-- Returns false: locked by another worker, circuit open or paused; {now, state}: another policy is
-- applied; {now}: only bulk is due and this is no bulk pass (unless the router has a state or a report
-- was asked for); else {now, state or false, {work items}, report asked 1|0, known serial or false,
-- full read due 1|0, time of boot or false, {memory}}.
local router = router_named(ARGV[1])
local lock_ms = tonumber(ARGV[3])
local most = tonumber(ARGV[5])
none_of({ fleet.paused, key.reports.asked, router.waiters, router.inflight, router.waiting })
if is_there(fleet.paused) and redis.call('HEXISTS', fleet.paused, router.name) == 1 then
  redis.call('SET', router.notified, 'circuit_open')
  redis.call('ZREM', key.routers_due, router.name)
  return false
end
fetch(TEXT, { router.lock, router.notified, router.state, key.redis_run }, TEXTS)
local holder, notified = get(TEXT, router.lock), get(TEXT, router.notified)
local state = get(TEXT, router.state)
-- The lock may be ours already: a client that got no answer asks again.
if notified == 'circuit_open' or (holder and holder ~= ARGV[2]) then
  return false
end
local now = now_ms()
if ARGV[6] ~= '' then
  local applied = redis.call('HGET', fleet.policies, router.name)
  if not applied then
    redis.call('HSET', fleet.policies, router.name, ARGV[7])
  elseif string.match(applied, '^[^|]*') ~= ARGV[6] then
    local wait = tonumber(ARGV[9])
    local new, old = cjson.decode(ARGV[8]), state and cjson.decode(state) or {}
    new.since_ms = old.state == new.state and old.since_ms or now
    new.next_at_ms = now + wait
    redis.call('SET', router.state, cjson.encode(new))
    redis.call('SET', router.notified, 'circuit_open', 'PX', wait)
    redis.call('ZADD', key.routers_due, whole(now + wait), router.name)
    return { now, state }
  end
end
local live = any_due(router, 0, 1, now)
local is_asked = is_report_asked(router)
if ARGV[12] == '0' and not live and not state and any_due(router, 2, 3, now) and not is_asked then
  redis.call('SET', router.notified, 'bulk', 'PX', NOTIFIED_MS)
  return { now }
end
redis.call('SET', router.lock, ARGV[2], 'PX', lock_ms)
redis.call('DEL', router.notified)
check_in_flight(router, ARGV[2], lock_ms, ARGV[4], now)
wake_more(router, ARGV[4], now)
list_queued()
-- Should this worker die, the sweep checks the router when the lock has expired.
redis.call('ZADD', key.routers_due, whole(now + lock_ms), router.name)
if is_asked then
  redis.call('SREM', key.reports.asked, router.name)
end
local most_bulk = (ARGV[12] == '1' or not live) and tonumber(ARGV[11]) or 0
return {
  now,
  state,
  due_work_items(router, most, most_bulk, now),
  is_asked and 1 or 0,
  known_serial(router.name),
  full_read_due(router.name, tonumber(ARGV[10]), now) and 1 or 0,
  redis.call('HGET', router.full_read, 'booted'),
  redis.call('HGETALL', router.memory),
}
