-- include: _time
-- Renews the lease of a holder, and notes the services that it is about to write.
-- KEYS: 1 routers due, 2 lease, 3 inflight
-- ARGV: 1 router, 2 token, 3 lease (ms), 4.. services to note as in flight
-- Returns 1, or 0 when the lease is no longer ours (nothing is changed then).
if redis.call('GET', KEYS[2]) ~= ARGV[2] then
  return 0
end
redis.call('PEXPIRE', KEYS[2], tonumber(ARGV[3]))
redis.call('ZADD', KEYS[1], whole(now_ms() + tonumber(ARGV[3])), ARGV[1])
for i = 4, #ARGV do
  local old = redis.call('HGET', KEYS[3], ARGV[i])
  local look = old and string.match(old, '|(%d+)$') or '0'
  redis.call('HSET', KEYS[3], ARGV[i], ARGV[2] .. '|' .. look)
end
return 1
