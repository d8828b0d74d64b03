-- Resolves an alert; its end is notified if its beginning was.
-- ARGV: 1 name, 2 last text, 3 changes that are kept
-- Returns 1, or 0 when it was not open.
local old = redis.call('HGET', key.alerts, ARGV[1])
if not old then
  return 0
end
redis.call('HDEL', key.alerts, ARGV[1])
redis.call('ZREM', key.alerts_not_notified, ARGV[1])
if cjson.decode(old).notified then
  redis.call('XADD', key.alert_changes, 'MAXLEN', '~', ARGV[3], '*',
    'what', 'ended', 'alert', old, 'text', ARGV[2], 'at_ms', whole(now_ms()))
end
return 1
