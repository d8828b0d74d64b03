-- include: _time _kinds
-- Ends an alert; its end is told when its beginning was.
-- KEYS: 1 open alerts, 2 untold alerts, 3 changes
-- ARGV: 1 name, 2 last words, 3 changes that are kept
-- Returns 1, or 0 when it was not open.
must_be('hash', KEYS[1])
must_be('zset', KEYS[2])
must_be('stream', KEYS[3])
local old = redis.call('HGET', KEYS[1], ARGV[1])
if not old then
  return 0
end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
if cjson.decode(old).told then
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[3], '*',
    'what', 'ended', 'alert', old, 'text', ARGV[2], 'at_ms', whole(now_ms()))
end
return 1
