-- include: _time _many _writes _router _work_items _in_flight _notified _notify
-- Adds work items for services of one router.
-- ARGV: 1 router, 2 work version, 3 priority, 4 delay (ms), 5 rows without a record may be there 1|0,
--       6.. services
-- Returns 1 when a message was sent for the router.
local router = router_named(ARGV[1])
local priority, delay = tonumber(ARGV[3]), tonumber(ARGV[4])
local due = now_ms() + delay
local services = { unpack(ARGV, 6) }
fetch(router.due, services, SCORES)
for _, service in ipairs(services) do
  if ARGV[5] == '1' then
    check_closely(router, service)
  end
  add_work(router, service, priority, due, ARGV[2])
end
return delay == 0 and notify({ [router.name] = true }) or 0
