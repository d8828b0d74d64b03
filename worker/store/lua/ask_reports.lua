-- Asks for the reports of routers that are due, a few a round; the first ones are spread over the whole
-- period. A router with an open circuit or paused is asked later.
-- ARGV: 1 time of one check (ms), 2 period of reports (ms), 3 most routers, 4 asked again after (ms),
--       5.. routers, each with its share (0…1) of the period before its first report
-- Returns how many were asked for, or false when another worker checked just now.
local reports = key.reports
if not redis.call('SET', reports.check, '1', 'NX', 'PX', tonumber(ARGV[1])) then
  return false
end
local now, period = now_ms(), tonumber(ARGV[2])
local known = {}
for i = 5, #ARGV, 2 do
  known[ARGV[i]] = true
  local first = now + math.floor(period * tonumber(ARGV[i + 1]))
  redis.call('ZADD', reports.due, 'NX', whole(first), ARGV[i])
end
local asked = 0
local due = redis.call('ZRANGEBYSCORE', reports.due, '-inf', whole(now), 'LIMIT', 0, tonumber(ARGV[3]))
for _, name in ipairs(due) do
  if known[name] then
    redis.call('ZADD', reports.due, whole(now + tonumber(ARGV[4])), name)
    if redis.call('GET', router_named(name).notified) ~= 'circuit_open'
      and redis.call('HEXISTS', key.fleet.paused, name) == 0 then
      redis.call('SADD', reports.asked, name)
      redis.call('ZADD', key.routers_due, 'LT', whole(now), name)
      asked = asked + 1
    end
  else
    redis.call('ZREM', reports.due, name)
  end
end
return asked
