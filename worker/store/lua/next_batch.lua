-- include: _time _many _writes _router _marks _call _ring _claims _notes _take _state
-- The next batch of due marks; releases the lease in the same step when there is none, so that no
-- mark set meanwhile is left without anyone to look.
-- ARGV: 1 router, 2 token, 3 lease (ms), 4 stamp, 5 marks at the most (0: release now),
--       6 and 7 state as JSON when nothing is due and when there is more; empty: it stays, 8 bulk
--       marks at the most
-- Returns {held 1|0|-1 (lost), now, {marks}, more 1|0 (due now, and somebody is called)}.
local router = router_named(ARGV[1])
local lease_ms = tonumber(ARGV[3])
local most = tonumber(ARGV[5])
local now = now_ms()
if redis.call('GET', router.lease) ~= ARGV[2] then
  return { -1, now, {}, 0 }
end
look_at_notes(router, ARGV[2], lease_ms, ARGV[4], now)
wake_more(router, ARGV[4], now)
list_marked()
local marks = due_marks(router, most, tonumber(ARGV[8]), now)
if #marks > 0 then
  redis.call('PEXPIRE', router.lease, lease_ms)
  redis.call('ZADD', key.routers_due, whole(now + lease_ms), router.name)
  return { 1, now, marks, 0 }
end
redis.call('DEL', router.lease)
-- What this holder itself leaves unanswered is looked at like what a lost one left.
local next_look = look_at_notes(router, '', lease_ms, ARGV[4], now)
list_marked()
local first = first_due(router)
if next_look and (not first or next_look < first) then
  first = next_look
end
if first then
  redis.call('ZADD', key.routers_due, whole(math.max(first, now)), router.name)
else
  redis.call('ZREM', key.routers_due, router.name)
end
local more = first and first <= now
note_state(router, more and ARGV[7] or ARGV[6])
if more then
  ring({ [router.name] = any_due(router, 0, 1, now) or 'bulk' })
end
return { 0, now, {}, more and 1 or 0 }
