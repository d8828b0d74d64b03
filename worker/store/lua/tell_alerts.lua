-- include: _time _kinds
-- Turns the alerts that have lasted long enough into changes that are told.
-- KEYS: 1 open alerts, 2 untold alerts, 3 changes
-- ARGV: 1 at the most, 2 changes that are kept
-- Returns {alert as JSON, …}: those that are told now.
must_be('hash', KEYS[1])
must_be('zset', KEYS[2])
must_be('stream', KEYS[3])
local now = now_ms()
local told = {}
local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', whole(now), 'LIMIT', 0, tonumber(ARGV[1]))
for _, name in ipairs(due) do
  local text = redis.call('HGET', KEYS[1], name)
  redis.call('ZREM', KEYS[2], name)
  if text then
    local alert = cjson.decode(text)
    alert.told = true
    text = cjson.encode(alert)
    redis.call('HSET', KEYS[1], name, text)
    redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[2], '*',
      'what', 'begun', 'alert', text, 'text', alert.text, 'at_ms', whole(now))
    told[#told + 1] = text
  end
end
return told
