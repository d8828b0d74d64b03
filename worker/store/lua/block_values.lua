-- include: _time _many _writes _pools
-- Keeps values from services for a time, as rows that are not ours have them. Those that a service has,
-- or had lately, stay.
-- ARGV: 1 until when (ms), 2 JSON [[value, pool], …]
local until_ms, now = tonumber(ARGV[1]), now_ms()
local wanted, values = cjson.decode(ARGV[2]), {}
for i, pair in ipairs(wanted) do
  values[i] = pair[1]
end
fetch(key.assigned, values)
for _, pair in ipairs(wanted) do
  if may_take(pair[1], '', false, now) then
    set_holder(pair[1], pair[2], '', until_ms)
  end
end
