-- Forgets a router without services: the last step of retiring or renaming it.
-- ARGV: 1 router, 2 lock id, 3 `1`: forget its former names too, 4 the audit entry or empty,
--       5.. ids of its dead letters
-- Returns 1; 0 when the lock is lost or a service came meanwhile (nothing is changed then).
local router = router_named(ARGV[1])
if redis.call('GET', router.lock) ~= ARGV[2] or redis.call('SCARD', router.services) > 0
  or redis.call('ZCARD', router.due) > 0 then
  return 0
end
for _, at in pairs(key.router(router.name)) do
  redis.call('DEL', at)
end
redis.call('ZREM', key.routers_due, router.name)
redis.call('ZREM', key.reports.due, router.name)
redis.call('SREM', key.pools_unread, router.name)
for _, hash in ipairs({ fleet.policies, fleet.paused, fleet.full_reads }) do
  redis.call('HDEL', hash, router.name)
end
forget_serials(router.name)
if ARGV[3] == '1' then
  local aliases = redis.call('HGETALL', fleet.aliases)
  for i = 1, #aliases, 2 do
    if aliases[i] == router.name or aliases[i + 1] == router.name then
      redis.call('HDEL', fleet.aliases, aliases[i])
    end
  end
end
for i = 5, #ARGV do
  redis.call('HDEL', key.dead_letters, ARGV[i])
  redis.call('ZREM', key.dead_letters_by_time, ARGV[i])
end
record_action(ARGV[4])
return 1
