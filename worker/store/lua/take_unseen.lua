-- include: _time _kinds
-- Takes services of which is to be looked whether their device has its address; nobody else looks
-- at them for a while.
-- KEYS: 1 services not seen in use yet, 2 the events of which it would be said
-- ARGV: 1 most, 2 for how long nobody else looks (ms), 3 what keys of outcomes begin with
-- Returns {now (ms), member, its event as kept: the key, outcome of that, …}. An earlier version kept
-- the outcome itself. An event whose outcome is gone, 30 days later or erased, is no news any more.
must_be('zset', KEYS[1])
must_be('hash', KEYS[2])
local now = now_ms()
local found = { now }
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', whole(now), 'LIMIT', 0, ARGV[1])) do
  local event = redis.call('HGET', KEYS[2], member)
  local text = event
  if event and not string.find(event, '^[{%[]') then
    text = redis.call('GET', ARGV[3] .. event)
  end
  if text then
    redis.call('ZADD', KEYS[1], whole(now + tonumber(ARGV[2])), member)
    found[#found + 1] = member
    found[#found + 1] = event
    found[#found + 1] = text
  else
    redis.call('ZREM', KEYS[1], member)
    redis.call('HDEL', KEYS[2], member)
  end
end
return found
