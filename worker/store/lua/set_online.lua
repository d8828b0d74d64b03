-- include: _time _feed
-- Says that devices were seen bound to their entries, unless another event was applied meanwhile.
-- ARGV: 1 JSON [[member, its event as kept, text to be told, feed], …]
local now = now_ms()
for _, each in ipairs(cjson.decode(ARGV[1])) do
  if redis.call('HGET', key.awaiting_events, each[1]) == each[2] then
    redis.call('ZREM', key.awaiting_device, each[1])
    redis.call('HDEL', key.awaiting_events, each[1])
    append(each[4], each[3], now)
  end
end
return 1
