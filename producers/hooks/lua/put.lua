-- Keeps a webhook as it came.
-- KEYS: 1 inbox, 2 inbox due
-- ARGV: 1 id, 2 webhook (JSON), 3 how many the inbox may hold
-- Returns 1; 0 when the inbox is full. The same webhook that waits already is kept once.
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then
  return 0
end
local time = redis.call('TIME')
if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 1 then
  redis.call('ZADD', KEYS[2], time[1] * 1000 + math.floor(time[2] / 1000), ARGV[1])
end
return 1
