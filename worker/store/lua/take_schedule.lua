-- include: _time _many
-- Hands out services of which a scheduled event is due; never early by this clock. They are handed
-- out again after a while: only a commit of the service moves it on, or takes it out.
-- ARGV: 1 how many at the most, 2 how long they are the caller's (ms)
-- Returns {services}.
local now = now_ms()
local due = redis.call('ZRANGEBYSCORE', key.schedule, '-inf', whole(now), 'LIMIT', 0, ARGV[1])
local taken = {}
for _, service in ipairs(due) do
  taken[#taken + 1] = whole(now + tonumber(ARGV[2]))
  taken[#taken + 1] = service
end
call_many('ZADD', key.schedule, taken)
return due
