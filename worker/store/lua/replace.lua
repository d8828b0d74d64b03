-- Binds another serial to a router's name, and adds work for all its services.
-- ARGV: 1 router, 2 serial, 3 work version, 4 priority, 5 the audit entry
-- Returns {number of services}, or {-1, other names…} that have the serial (nothing is changed then).
local router = router_named(ARGV[1])
local others = others_of(ARGV[2], router.name)
if #others > 0 then
  return { -1, unpack(others) }
end
bind(ARGV[2], router.name)
redis.call('HDEL', fleet.full_reads, router.name)
redis.call('DEL', router.state)
record_action(ARGV[5])
return { check_all_anew(router, tonumber(ARGV[4]), ARGV[3]) }
