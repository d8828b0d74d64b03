-- Renews the lock of a router.
-- ARGV: 1 router, 2 lock id, 3 lock time (ms)
-- Returns 1, or 0 when the lock is lost (nothing is changed then).
local router = router_named(ARGV[1])
if redis.call('GET', router.lock) ~= ARGV[2] then
  return 0
end
redis.call('PEXPIRE', router.lock, ARGV[3])
return 1
