-- include: _time _services
-- Takes services that await a device; no other worker gets them for a while.
-- ARGV: 1 most services, 2 for how long they are ours (ms)
-- Returns {now (ms), member, event, outcome of the event, …}. A service whose event has no outcome any
-- more, because newer ones replaced it or it was purged, is dropped.
local now = now_ms()
local found = { now }
local due = redis.call('ZRANGEBYSCORE', key.awaiting_device, '-inf', whole(now), 'LIMIT', 0, ARGV[1])
for _, member in ipairs(due) do
  local event = redis.call('HGET', key.awaiting_events, member)
  local service = redis.call('GET', key.record(string.match(member, '^[^@]*')))
  local text = event and service and outcome_in(service, event)
  if text then
    redis.call('ZADD', key.awaiting_device, whole(now + tonumber(ARGV[2])), member)
    for _, value in ipairs({ member, event, text }) do
      found[#found + 1] = value
    end
  else
    redis.call('ZREM', key.awaiting_device, member)
    redis.call('HDEL', key.awaiting_events, member)
  end
end
return found
