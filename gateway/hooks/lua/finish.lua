-- Ends the reread of a service.
-- KEYS: 1 wanted, 2 wanted due, 3 reading
-- ARGV: 1 ref, 2 token of the reread, 3 stamp of the request that was read, 4 after a failure when to
--       read it again (ms from now), '' after a success, 5 why it failed
-- Returns 1; 0: another process rereads it now, and ends it.
if redis.call('HGET', KEYS[3], ARGV[1]) ~= ARGV[2] then
  return 0
end
redis.call('HDEL', KEYS[3], ARGV[1])
local text = redis.call('HGET', KEYS[1], ARGV[1])
if not text then
  return 1
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local wanted = cjson.decode(text)
if ARGV[4] ~= '' then
  wanted.attempts = wanted.attempts + 1
  wanted.why = ARGV[5]
  redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(wanted))
  redis.call('ZADD', KEYS[2], now + ARGV[4], ARGV[1])
elseif wanted.stamp == ARGV[3] then
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('ZREM', KEYS[2], ARGV[1])
else
  wanted.attempts = 0
  wanted.why = nil
  redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(wanted))
  redis.call('ZADD', KEYS[2], now, ARGV[1])
end
return 1
