-- Notes the writes of a pass that lost its lock, and adds work for their services: the next holder takes
-- them for writes of a worker that died. Redis may have lost the notes, and the lock with them.
-- ARGV: 1 router, 2 lock id, 3 work version, 4 JSON {service: [[MAC, address, server], …]}: leases that
--       were added, 5.. services
-- Returns 1 when a message was sent for the router.
local router = router_named(ARGV[1])
local now = now_ms()
local sent = cjson.decode(ARGV[4])
local services = { unpack(ARGV, 5) }
fetch(router.due, services, SCORES)
fetch(router.inflight, services)
for _, service in ipairs(services) do
  write_begins(router, ARGV[2], service, sent[service])
  add_work(router, service, 0, now, ARGV[3])
end
return notify({ [router.name] = true })
