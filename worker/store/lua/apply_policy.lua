-- Applies a policy to a router, and adds work for all its services in the same step: a pass under the
-- former policy can confirm none of them.
-- ARGV: 1 router, 2 the policy as it is stored, 3 work version, 4 priority, 5 the audit entry
-- Returns the number of services.
local router = router_named(ARGV[1])
redis.call('HSET', fleet.policies, router.name, ARGV[2])
local state = redis.call('GET', router.state)
if state and cjson.decode(state).state == 'policy-changed' then
  redis.call('DEL', router.state)
end
record_action(ARGV[5])
return check_all_anew(router, tonumber(ARGV[4]), ARGV[3])
