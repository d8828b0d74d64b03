-- Makes changes of the alerts that have lasted long enough to be notified.
-- ARGV: 1 most alerts, 2 changes that are kept
-- Returns {alert as JSON, …}: those that are notified now.
local now = now_ms()
local notified = {}
local due = redis.call('ZRANGEBYSCORE', key.alerts_not_notified, '-inf', whole(now), 'LIMIT', 0, tonumber(ARGV[1]))
for _, name in ipairs(due) do
  local text = redis.call('HGET', key.alerts, name)
  redis.call('ZREM', key.alerts_not_notified, name)
  if text then
    local alert = cjson.decode(text)
    alert.notified = true
    text = cjson.encode(alert)
    redis.call('HSET', key.alerts, name, text)
    redis.call('XADD', key.alert_changes, 'MAXLEN', '~', ARGV[2], '*',
      'what', 'begun', 'alert', text, 'text', alert.text, 'at_ms', whole(now))
    notified[#notified + 1] = text
  end
end
return notified
