-- A person approves that lost rows are written to a router again; the sweep checks it at once.
-- ARGV: 1 router, 2 until when (ms), 3 lifetime (s), 4 the audit entry
local router = router_named(ARGV[1])
redis.call('HSET', router.full_read, 'approved', ARGV[2])
redis.call('EXPIRE', router.full_read, tonumber(ARGV[3]))
close_circuit(router, now_ms())
record_action(ARGV[4])
return 1
