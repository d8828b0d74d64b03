-- include: _time _kinds _fields _router _marks _call _ring _claims _notes _take _state
-- The next batch of due marks; releases the lease in the same step when there is none, so that no
-- mark set meanwhile is left without anyone to look.
-- KEYS: 1 routers due, 2.. router block
-- ARGV: 1 router, 2 token, 3 lease (ms), 4 stamp, 5 marks at the most (0: release now),
--       6 record key prefix, 7 and 8 state as JSON when nothing is due and when there is more; empty:
--       it stays, 9 bulk marks at the most
-- Returns {held 1|0|-1 (lost), now, {marks}, more 1|0 (due now, and somebody is called)}.
must_be('zset', KEYS[1])
local router = router_at(ARGV[1], 2)
local lease_ms = tonumber(ARGV[3])
local most = tonumber(ARGV[5])
local now = now_ms()
if redis.call('GET', router.lease) ~= ARGV[2] then
  return { -1, now, {}, 0 }
end
look_at_notes(router, ARGV[2], lease_ms, ARGV[4], now, KEYS[1])
wake_more(router, ARGV[4], now, KEYS[1])
local marks = due_marks(router, most, tonumber(ARGV[9]), now, ARGV[6])
if #marks > 0 then
  redis.call('PEXPIRE', router.lease, lease_ms)
  redis.call('ZADD', KEYS[1], whole(now + lease_ms), router.name)
  return { 1, now, marks, 0 }
end
redis.call('DEL', router.lease)
-- What this holder itself leaves unanswered is looked at like what a lost one left.
local next_look = look_at_notes(router, '', lease_ms, ARGV[4], now, KEYS[1])
local first = first_due(router)
if next_look and (not first or next_look < first) then
  first = next_look
end
if first then
  redis.call('ZADD', KEYS[1], whole(math.max(first, now)), router.name)
else
  redis.call('ZREM', KEYS[1], router.name)
end
local more = first and first <= now
note_state(router, more and ARGV[8] or ARGV[7])
if more then
  ring(router, KEYS[1], not any_due(router, 0, 1, now))
end
return { 0, now, {}, more and 1 or 0 }
