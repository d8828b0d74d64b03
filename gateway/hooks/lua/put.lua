-- Stores a webhook as it came.
-- KEYS: 1 inbox, 2 inbox due, 3 bytes of the inbox
-- ARGV: 1 id, 2 webhook (JSON), 3 the most webhooks of the inbox, 4 its most bytes
-- Returns 1; 0: the inbox is full. Equal webhooks that wait are stored once.
local bytes = tonumber(redis.call('GET', KEYS[3]) or '0') + #ARGV[2]
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then
  return 1
end
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) or bytes > tonumber(ARGV[4]) then
  return 0
end
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('SET', KEYS[3], string.format('%.0f', bytes))
redis.call('ZADD', KEYS[2], time[1] * 1000 + math.floor(time[2] / 1000), ARGV[1])
return 1
