-- include: _time _kinds _router _marks _notes
-- Renews the lease of a holder, and notes the services that it is about to write.
-- KEYS: 1 routers due, 2.. router block
-- ARGV: 1 router, 2 token, 3 lease (ms), 4.. services to note as in flight
-- Returns 1, or 0 when the lease is no longer ours (nothing is changed then).
must_be('zset', KEYS[1])
local router = router_at(ARGV[1], 2)
local lease_ms = tonumber(ARGV[3])
if redis.call('GET', router.lease) ~= ARGV[2] then
  return 0
end
redis.call('PEXPIRE', router.lease, lease_ms)
redis.call('ZADD', KEYS[1], whole(now_ms() + lease_ms), router.name)
for i = 4, #ARGV do
  note(router, ARGV[2], ARGV[i])
end
return 1
