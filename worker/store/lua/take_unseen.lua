-- include: _time _kinds
-- Takes services of which is to be looked whether their device has its address; nobody else looks
-- at them for a while.
-- KEYS: 1 services not seen in use yet, 2 the events of which it would be said
-- ARGV: 1 most, 2 for how long nobody else looks (ms)
-- Returns {now (ms), member, text of its event, …}.
must_be('zset', KEYS[1])
must_be('hash', KEYS[2])
local now = now_ms()
local found = { now }
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', whole(now), 'LIMIT', 0, ARGV[1])) do
  local text = redis.call('HGET', KEYS[2], member)
  if text then
    redis.call('ZADD', KEYS[1], whole(now + tonumber(ARGV[2])), member)
    found[#found + 1] = member
    found[#found + 1] = text
  else
    redis.call('ZREM', KEYS[1], member)
  end
end
return found
