-- Takes changes whose effect is to be read now; no other worker gets them for a while.
-- ARGV: 1 most changes, 2 for how long they are ours (ms)
-- Returns {now (ms), {member, watch, {event, its outcome, …}}, …}. A change of which no event has an
-- outcome any more, because newer ones replaced it or it was purged, is dropped.
local now = now_ms()
local found = { now }
local due = redis.call('ZRANGEBYSCORE', key.watches_due, '-inf', whole(now), 'LIMIT', 0, ARGV[1])
for _, member in ipairs(due) do
  local watch = redis.call('HGET', key.watches, member)
  local service = redis.call('GET', key.record(string.match(member, '^[^@]*')))
  local outcomes = {}
  for _, event in ipairs(watch and cjson.decode(watch)[1] or {}) do
    local text = outcome_in(service, event)
    if text and state_in(text) == 'applied' then
      outcomes[#outcomes + 1] = event
      outcomes[#outcomes + 1] = text
    end
  end
  if #outcomes > 0 then
    redis.call('ZADD', key.watches_due, whole(now + tonumber(ARGV[2])), member)
    found[#found + 1] = { member, watch, outcomes }
  else
    redis.call('ZREM', key.watches_due, member)
    redis.call('HDEL', key.watches, member)
  end
end
return found
