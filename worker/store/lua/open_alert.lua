-- Opens an alert, or updates the text of an open one, which keeps its beginning. An alert from a backup
-- is notified again as if it were new: see `Alerts.restored`.
-- ARGV: 1 name, 2 alert as JSON, 3 notified after (ms)
-- Returns 1 when it is new.
local alert, old = cjson.decode(ARGV[2]), redis.call('HGET', key.alerts, ARGV[1])
local now = now_ms()
alert.since_ms = now
if old then
  local before = cjson.decode(old)
  alert.since_ms, alert.notified = before.since_ms, before.notified
end
if not alert.notified then
  redis.call('ZADD', key.alerts_not_notified, 'NX', whole(now + tonumber(ARGV[3])), ARGV[1])
end
redis.call('HSET', key.alerts, ARGV[1], cjson.encode(alert))
return old and 0 or 1
