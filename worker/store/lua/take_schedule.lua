-- include: _time _kinds
-- Hands out services of which a scheduled event is due; never early by this clock. They are handed
-- out again after a while: only a commit of the service moves it on, or takes it out.
-- KEYS: 1 schedule
-- ARGV: 1 how many at the most, 2 how long they are the caller's (ms)
-- Returns {services}.
must_be('zset', KEYS[1])
local now = now_ms()
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', whole(now), 'LIMIT', 0, tonumber(ARGV[1]))
for _, service in ipairs(due) do
  redis.call('ZADD', KEYS[1], whole(now + tonumber(ARGV[2])), service)
end
return due
