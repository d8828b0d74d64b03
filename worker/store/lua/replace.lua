-- include: _time _many _writes _router _work_items _fleet
-- Binds another serial to a router's name, and marks all its services: the new one is built anew.
-- ARGV: 1 router, 2 serial, 3 stamp, 4 priority, 5 the action as JSON
-- Returns {services marked}, or {-1, other names…} when the serial is theirs (nothing is changed).
local router = router_named(ARGV[1])
local others = others_of(ARGV[2], router.name)
if #others > 0 then
  return { -1, unpack(others) }
end
local now = now_ms()
bind(ARGV[2], router.name)
redis.call('HDEL', fleet.full_reads, router.name)
redis.call('DEL', router.state)
local left = revoke(router)
local queued = add_work_for_all(router, tonumber(ARGV[4]), now, ARGV[3])
list_queued()
close_circuit(router, now + left)
log_action(ARGV[5])
return { queued }
