-- Requests rereads of services, and deletes the webhook that named them.
-- KEYS: 1 wanted, 2 wanted due, 3 inbox, 4 inbox due, 5 bytes of the inbox
-- ARGV: 1 id in the inbox ('' none), 2 stamp, 3 how long to wait for more of the same (ms), then
--       for each service: ref, vendor id, gone (1 | 0)
-- A service that is wanted already keeps its place, and is reread once more if it is being read now.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 4, #ARGV, 3 do
  local known = redis.call('HGET', KEYS[1], ARGV[i])
  local wanted = known and cjson.decode(known) or { since = now, attempts = 0 }
  wanted.stamp = ARGV[2]
  wanted.vendor_id = ARGV[i + 1]
  wanted.gone = ARGV[i + 2] == '1'
  redis.call('HSET', KEYS[1], ARGV[i], cjson.encode(wanted))
  if not known then
    redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[i])
  end
end
local bytes = redis.call('HSTRLEN', KEYS[3], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
-- Attempts that were counted meanwhile changed some digits: an empty inbox is where it is exact again.
if redis.call('EXISTS', KEYS[3]) == 0 or redis.call('DECRBY', KEYS[5], bytes) < 0 then
  redis.call('DEL', KEYS[5])
end
redis.call('ZREM', KEYS[4], ARGV[1])
return 1
