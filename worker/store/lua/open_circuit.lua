-- Releases the lock of a router that is unreachable or blocked: no worker is notified before its next
-- try. Its work items and writes in flight stay.
-- ARGV: 1 router, 2 lock id, 3 wait (ms), 4 state as JSON, to which the time of the next try is added
-- Returns the time of the next try, or 0 when the lock is lost.
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
