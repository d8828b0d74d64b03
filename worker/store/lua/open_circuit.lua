-- include: _time _router
-- Releases a router that is out of reach or blocked: it is not rung before its next attempt. Its
-- marks and the notes of what may be under way stay.
-- ARGV: 1 router, 2 token, 3 wait (ms), 4 state as JSON; the time of the next attempt is put in
-- Returns the time of the next attempt, or 0 when the lease is no longer ours.
local router = router_named(ARGV[1])
local wait = math.max(tonumber(ARGV[3]), 1)
local state = cjson.decode(ARGV[4])
if redis.call('GET', router.lock) ~= ARGV[2] then
  return 0
end
local next_at = now_ms() + wait
redis.call('DEL', router.lock)
redis.call('SET', router.notified, 'circuit_open', 'PX', wait)
redis.call('ZADD', key.routers_due, whole(next_at), router.name)
state.next_at_ms = next_at
redis.call('SET', router.state, cjson.encode(state))
return next_at
