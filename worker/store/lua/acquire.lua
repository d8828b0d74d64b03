-- include: _time _many _writes _router _work_items _claims _in_flight _fleet _take
-- Takes the lease on a router and its first batch of due marks.
-- ARGV: 1 router, 2 token, 3 lease (ms), 4 stamp for what this marks, 5 marks at the most,
--       6 digest of the worker's policy (empty: it knows none), 7 that policy as it is to be stored
--       where none is, 8 state as JSON, 9 wait (ms), both for a router whose applied policy is
--       another one, 10 how long a survey is good (ms), 11 bulk marks at the most, 12 whether this
--       is a bulk pass 1|0
-- Returns false when another worker has it, it is parked or a person holds it, {now, state} when
-- its applied policy is another one, {now} when nothing but bulk is due and this is no bulk pass
-- (who is out of order, or of whom a report is asked for, takes it all the same), else {now, state
-- or false, {marks}, a report was asked for 1|0, serial that it is known by or false, a survey is due
-- 1|0, when it booted or false, {memory}}.
local router = router_named(ARGV[1])
local lock_ms = tonumber(ARGV[3])
local most = tonumber(ARGV[5])
if redis.call('HEXISTS', fleet.paused, router.name) == 1 then
  redis.call('SET', router.notified, 'circuit_open')
  redis.call('ZREM', key.routers_due, router.name)
  return false
end
local holder, notified, was = unpack(redis.call('MGET', router.lock, router.notified, router.state))
-- What stands there may be ours: a client that heard no answer asks again.
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
    local state, old = cjson.decode(ARGV[8]), was and cjson.decode(was) or {}
    state.since_ms = old.state == state.state and old.since_ms or now
    state.next_at_ms = now + wait
    redis.call('SET', router.state, cjson.encode(state))
    redis.call('SET', router.notified, 'circuit_open', 'PX', wait)
    redis.call('ZADD', key.routers_due, whole(now + wait), router.name)
    return { now, was }
  end
end
local live = any_due(router, 0, 1, now)
if ARGV[12] == '0' and not live and not was and any_due(router, 2, 3, now)
  and redis.call('SISMEMBER', key.reports.asked, router.name) == 0 then
  redis.call('SET', router.notified, 'bulk', 'PX', NOTIFIED_MS)
  return { now }
end
redis.call('SET', router.lock, ARGV[2], 'PX', lock_ms)
redis.call('DEL', router.notified)
check_in_flight(router, ARGV[2], lock_ms, ARGV[4], now)
wake_more(router, ARGV[4], now)
list_queued()
-- Should this holder die, the sweep looks when its lease has run out.
redis.call('ZADD', key.routers_due, whole(now + lock_ms), router.name)
local most_bulk = (ARGV[12] == '1' or not live) and tonumber(ARGV[11]) or 0
local work_items = due_work_items(router, most, most_bulk, now)
return {
  now,
  was,
  work_items,
  redis.call('SREM', key.reports.asked, router.name),
  known_serial(router.name),
  full_read_due(router.name, tonumber(ARGV[10]), now) and 1 or 0,
  redis.call('HGET', router.full_read, 'booted'),
  redis.call('HGETALL', router.memory),
}
