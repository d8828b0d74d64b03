-- Takes the next batch of due work items. Without any it releases the lock in the same step, so that
-- work which comes meanwhile is not left without a worker.
-- ARGV: 1 router, 2 lock id, 3 lock time (ms), 4 work version, 5 most work items (0: release now),
--       6 state as JSON if nothing is due, 7 if more is due; empty: the state stays, 8 most bulk work
--       items
-- Returns {1 locked | 0 released | -1 lock lost, now, {work items}, 1 if more is due now and a worker
-- was notified}.
local router = router_named(ARGV[1])
local lock_ms = tonumber(ARGV[3])
local most = tonumber(ARGV[5])
local now = now_ms()
if redis.call('GET', router.lock) ~= ARGV[2] then
  return { -1, now, {}, 0 }
end
none_of({ router.inflight, router.waiters, router.due, key.reports.asked })
check_in_flight(router, ARGV[2], lock_ms, ARGV[4], now)
wake_more(router, ARGV[4], now)
list_queued()
local work_items = due_work_items(router, most, tonumber(ARGV[8]), now)
if #work_items > 0 then
  redis.call('PEXPIRE', router.lock, lock_ms)
  return { 1, now, work_items, 0 }
end
redis.call('DEL', router.lock)
-- What this pass itself leaves in flight is checked like what a lost pass left.
local next_check = check_in_flight(router, '', lock_ms, ARGV[4], now)
list_queued()
local first = first_due(router)
if next_check and (not first or next_check < first) then
  first = next_check
end
-- A report that was asked for meanwhile is made next: the sweep finds the router.
local next_at = is_report_asked(router) and now or first
if next_at then
  redis.call('ZADD', key.routers_due, whole(math.max(next_at, now)), router.name)
else
  redis.call('ZREM', key.routers_due, router.name)
end
local more = first and first <= now
set_state(router, more and ARGV[7] or ARGV[6])
if more then
  notify({ [router.name] = any_due(router, 0, 1, now) or 'bulk' })
end
return { 0, now, {}, more and 1 or 0 }
