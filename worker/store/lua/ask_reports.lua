-- include: _time _kinds
-- Asks for the reports of routers whose time has come: a few a round, each spread over the whole
-- time between two reports. One that is parked is asked later.
-- KEYS: 1 claim, 2 reports due, 3 reports asked for, 4 routers due, 5 held routers
-- ARGV: 1 claim (ms), 2 between two reports (ms), 3 routers at the most, 4 asked again after (ms),
--       5 router key prefix, 6 rung suffix, 7.. routers, each followed by its share (0…1) of the
--       time until its first report
-- Returns how many were asked for, or false when somebody looked just now.
must_be('string', KEYS[1])
must_be('zset', KEYS[2], KEYS[4])
must_be('set', KEYS[3])
must_be('hash', KEYS[5])
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', tonumber(ARGV[1])) then
  return false
end
local now, every = now_ms(), tonumber(ARGV[2])
local known = {}
for i = 7, #ARGV, 2 do
  known[ARGV[i]] = true
  redis.call('ZADD', KEYS[2], 'NX', whole(now + math.floor(every * tonumber(ARGV[i + 1]))), ARGV[i])
end
local asked = 0
local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', whole(now), 'LIMIT', 0, tonumber(ARGV[3]))
for _, name in ipairs(due) do
  if known[name] then
    redis.call('ZADD', KEYS[2], whole(now + tonumber(ARGV[4])), name)
    if redis.call('GET', ARGV[5] .. name .. ARGV[6]) ~= 'parked'
      and redis.call('HEXISTS', KEYS[5], name) == 0 then
      redis.call('SADD', KEYS[3], name)
      redis.call('ZADD', KEYS[4], 'LT', whole(now), name)
      asked = asked + 1
    end
  else
    redis.call('ZREM', KEYS[2], name)
  end
end
return asked
