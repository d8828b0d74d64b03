-- Takes services of which a scheduled event is due, never early by this clock. Each is given again
-- after a while, until a commit of the service moves or removes its time.
-- ARGV: 1 most services, 2 for how long they belong to the caller (ms)
-- Returns {services}.
local now = now_ms()
local due = redis.call('ZRANGEBYSCORE', key.schedule, '-inf', whole(now), 'LIMIT', 0, ARGV[1])
local taken = {}
for _, service in ipairs(due) do
  taken[#taken + 1] = whole(now + tonumber(ARGV[2]))
  taken[#taken + 1] = service
end
call_many('ZADD', { key.schedule }, taken)
return due
