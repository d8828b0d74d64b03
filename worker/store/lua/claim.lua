-- Requests the claims of services on one router, as a pass does before it plans.
-- ARGV: 1 router, 2 work version, 3 JSON [[service, generation, [[claim key, scope], …]], …]
-- Returns JSON: for each service [] granted | [[claim key, holder], …] refused | false its record has
-- changed.
local router = router_named(ARGV[1])
local now = now_ms()
local answers = {}
for i, order in ipairs(cjson.decode(ARGV[3])) do
  local service, generation, wants = unpack(order)
  if generation_of(service) ~= generation then
    answers[i] = false
  else
    vacate(router, service, wants, ARGV[2], now)
    answers[i] = request(router, service, wants, ARGV[2], now)
  end
end
return cjson.encode(answers)
