-- Renews a lock, and notes the services that its pass is about to write.
-- ARGV: 1 router, 2 lock id, 3 lock time (ms), 4 how many of the services were taken (they come first;
--       the others are in their way), 5 JSON {service: [[MAC, address, server], …]}: leases that are
--       about to be added, 6.. services
-- Returns {1, {taken services that the brake holds by now}}, or {0, {}} when the lock is lost (nothing
-- is changed then). If the brake holds any, none is noted: the plan is void.
local router = router_named(ARGV[1])
if redis.call('GET', router.lock) ~= ARGV[2] then
  return { 0, {} }
end
redis.call('PEXPIRE', router.lock, ARGV[3])
none_of({ key.braked, router.inflight })
local braked = {}
for i = 6, 5 + tonumber(ARGV[4]) do
  if is_braked(router, ARGV[i]) then
    braked[#braked + 1] = ARGV[i]
  end
end
local sent = cjson.decode(ARGV[5])
fetch(router.inflight, { unpack(ARGV, 6) })
for i = 6, #braked == 0 and #ARGV or 0 do
  write_begins(router, ARGV[2], ARGV[i], sent[ARGV[i]])
end
return { 1, braked }
