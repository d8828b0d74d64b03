-- include: _time _many _writes _router _work_items _claims _services
-- Asks for the claims of services on one router, as a pass does before it plans.
-- ARGV: 1 router, 2 stamp, 3 JSON [[service, generation, [[claim, scope], …]], …]
-- Returns JSON [[] granted | [[claim, holder], …] refused | false the record has changed, …].
local router = router_named(ARGV[1])
local now = now_ms()
local answers = {}
for i, each in ipairs(cjson.decode(ARGV[3])) do
  if generation_of(each[1]) ~= each[2] then
    answers[i] = false
  else
    weaken(router, each[1], each[3], ARGV[2], now)
    answers[i] = request(router, each[1], each[3], ARGV[2], now)
  end
end
return cjson.encode(answers)
