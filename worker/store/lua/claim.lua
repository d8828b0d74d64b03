-- include: _time _kinds _fields _router _marks _claims _events
-- Asks for the claims of services on one router, as a pass does before it plans.
-- KEYS: 1 routers due, 2.. router block, then record keys by index
-- ARGV: 1 router, 2 stamp, 3 JSON [[service, record key, generation, [[key, scope], …]], …]
-- Returns JSON [[] granted | [[key, holder], …] refused | false the record has changed, …].
must_be('zset', KEYS[1])
local router = router_at(ARGV[1], 2)
local order = cjson.decode(ARGV[3])
for _, each in ipairs(order) do
  must_be('string', KEYS[each[2]])
end
local now = now_ms()
local answers = {}
for i, each in ipairs(order) do
  if generation_of(KEYS[each[2]]) ~= each[3] then
    answers[i] = false
  else
    weaken(router, each[1], each[4], ARGV[2], now, KEYS[1])
    answers[i] = request(router, each[1], each[4], ARGV[2], now, KEYS[1])
  end
end
return cjson.encode(answers)
