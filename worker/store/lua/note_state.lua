-- include: _router _state
-- Notes how a held router is doing.
-- ARGV: 1 router, 2 token, 3 state as JSON
-- Returns 1, or 0 when the lease is no longer ours (nothing is changed then).
local router = router_named(ARGV[1])
if redis.call('GET', router.lock) ~= ARGV[2] then
  return 0
end
note_state(router, ARGV[3])
return 1
