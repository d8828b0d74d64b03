-- Notes who has values that no service has, or had lately; the others stay.
-- ARGV: 1 until when (ms), 0: the service has them, 2 service, empty: a row that is not ours has them,
--       3 JSON [[value, pool], …]
local until_ms, service, now = tonumber(ARGV[1]), ARGV[2], now_ms()
local wanted, values = cjson.decode(ARGV[3]), {}
for i, pair in ipairs(wanted) do
  values[i] = pair[1]
end
fetch(key.assigned, values)
for _, pair in ipairs(wanted) do
  local holder, before = holder_of(pair[1])
  if not holder or holder == '' or (before > 0 and before <= now) then
    set_holder(pair[1], pair[2], service, until_ms)
  end
end
