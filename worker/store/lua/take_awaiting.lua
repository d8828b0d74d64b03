-- include: _time _services
-- Takes services of which is to be looked whether their device has its address; nobody else looks
-- at them for a while.
-- ARGV: 1 most, 2 for how long nobody else looks (ms)
-- Returns {now (ms), member, its event as kept: the key, outcome of that, …}. An event
-- whose word is gone, for newer ones or erased, is no news any more.
local now = now_ms()
local found = { now }
local due = redis.call('ZRANGEBYSCORE', key.awaiting_device, '-inf', whole(now), 'LIMIT', 0, ARGV[1])
for _, member in ipairs(due) do
  local event = redis.call('HGET', key.awaiting_events, member)
  local service = redis.call('GET', key.record(string.match(member, '^[^@]*')))
  local text = event and service and outcome_in(service, event)
  if text then
    redis.call('ZADD', key.awaiting_device, whole(now + tonumber(ARGV[2])), member)
    found[#found + 1] = member
    found[#found + 1] = event
    found[#found + 1] = text
  else
    redis.call('ZREM', key.awaiting_device, member)
    redis.call('HDEL', key.awaiting_events, member)
  end
end
return found
