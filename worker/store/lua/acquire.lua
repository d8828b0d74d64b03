-- include: _time _kinds _router _marks _notes _take
-- Takes the lease on a router and its first batch of due marks.
-- KEYS: 1 routers due, 2.. router block
-- ARGV: 1 router, 2 token, 3 lease (ms), 4 stamp for what this marks, 5 marks at the most,
--       6 record key prefix
-- Returns false when another worker holds it or it is parked, else {now, state or false, {marks}}.
must_be('zset', KEYS[1])
local router = router_at(ARGV[1], 2)
local lease_ms = tonumber(ARGV[3])
local most = tonumber(ARGV[5])
if redis.call('GET', router.rung) == 'parked' then
  return false
end
if not redis.call('SET', router.lease, ARGV[2], 'NX', 'PX', lease_ms) then
  return false
end
local now = now_ms()
redis.call('DEL', router.rung)
look_at_notes(router, ARGV[2], lease_ms, ARGV[4], now, KEYS[1])
-- Should this holder die, the sweep looks when its lease has run out.
redis.call('ZADD', KEYS[1], whole(now + lease_ms), router.name)
local marks = due_marks(router, most, now, ARGV[6])
return { now, redis.call('GET', router.state) or false, marks }
