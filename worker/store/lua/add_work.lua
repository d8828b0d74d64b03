-- Adds work items for services of one router.
-- ARGV: 1 router, 2 work version, 3 priority, 4 delay (ms), 5 rows without a record may be there: JSON
--       {service: [[MAC, address, server], …]}, those that were added lately; else empty, 6 lock time (ms),
--       7.. services
-- Returns 1 when a message was sent for the router.
local router = router_named(ARGV[1])
local priority, delay = tonumber(ARGV[3]), tonumber(ARGV[4])
local now = now_ms()
local due = now + delay
local added = ARGV[5] ~= '' and cjson.decode(ARGV[5])
local services = { unpack(ARGV, 7) }
fetch(router.due, services, SCORES)
for _, service in ipairs(services) do
  if added then
    check_closely(router, service, added[service], now + 2 * tonumber(ARGV[6]))
  end
  add_work(router, service, priority, due, ARGV[2])
end
return delay == 0 and notify({ [router.name] = true }) or 0
