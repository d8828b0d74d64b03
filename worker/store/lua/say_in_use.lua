-- include: _time _kinds _feed
-- Says that devices were seen bound to their entries, unless another event was applied meanwhile.
-- KEYS: 1 services not seen in use yet, 2 the events of which it would be said, 3 last id of the
--       feeds, 4 what went of them, 5.. feeds
-- ARGV: 1 JSON [[member, its event as kept, text to be told, feed], …]
must_be('zset', KEYS[1])
must_be('hash', KEYS[2], KEYS[4])
must_be('string', KEYS[3])
for i = 5, #KEYS do
  must_be('stream', KEYS[i])
end
local now = now_ms()
for _, each in ipairs(cjson.decode(ARGV[1])) do
  if redis.call('HGET', KEYS[2], each[1]) == each[2] then
    redis.call('ZREM', KEYS[1], each[1])
    redis.call('HDEL', KEYS[2], each[1])
    append(KEYS[each[4]], { KEYS[3], KEYS[4] }, each[3], now)
  end
end
