-- include: _time _many _writes _router _work_items _notified _notify _claims _in_flight _take _state
-- The next batch of due marks; releases the lease in the same step when there is none, so that no
-- mark set meanwhile is left without anyone to look.
-- ARGV: 1 router, 2 token, 3 lease (ms), 4 stamp, 5 marks at the most (0: release now),
--       6 and 7 state as JSON when nothing is due and when there is more; empty: it stays, 8 bulk
--       marks at the most
-- Returns {held 1|0|-1 (lost), now, {marks}, more 1|0 (due now, and somebody is called)}.
local router = router_named(ARGV[1])
local lock_ms = tonumber(ARGV[3])
local most = tonumber(ARGV[5])
local now = now_ms()
if redis.call('GET', router.lock) ~= ARGV[2] then
  return { -1, now, {}, 0 }
end
check_in_flight(router, ARGV[2], lock_ms, ARGV[4], now)
wake_more(router, ARGV[4], now)
list_queued()
local work_items = due_work_items(router, most, tonumber(ARGV[8]), now)
if #work_items > 0 then
  redis.call('PEXPIRE', router.lock, lock_ms)
  redis.call('ZADD', key.routers_due, whole(now + lock_ms), router.name)
  return { 1, now, work_items, 0 }
end
redis.call('DEL', router.lock)
-- What this holder itself leaves unanswered is looked at like what a lost one left.
local next_check = check_in_flight(router, '', lock_ms, ARGV[4], now)
list_queued()
local first = first_due(router)
if next_check and (not first or next_check < first) then
  first = next_check
end
if first then
  redis.call('ZADD', key.routers_due, whole(math.max(first, now)), router.name)
else
  redis.call('ZREM', key.routers_due, router.name)
end
local more = first and first <= now
note_state(router, more and ARGV[7] or ARGV[6])
if more then
  notify({ [router.name] = any_due(router, 0, 1, now) or 'bulk' })
end
return { 0, now, {}, more and 1 or 0 }
