-- A person has services of a router checked at once, whatever it waited for.
-- ARGV: 1 router, 2 work version, 3 priority, 4 the audit entry, 5 lock id of writes that were
--       answered, or empty, 6.. services
-- Returns the number of services.
local router = router_named(ARGV[1])
local now = now_ms()
local services = { unpack(ARGV, 6) }
fetch(router.inflight, services)
fetch(router.due, services, SCORES)
for _, service in ipairs(services) do
  owe_check(router, ARGV[5], service)
  check_closely(router, service)
  add_work(router, service, tonumber(ARGV[3]), now, ARGV[2])
end
close_circuit(router, now)
record_action(ARGV[4])
return #services
