-- include: _time _kinds
-- Counts the events of sources, and how many of the recent ones newer events had overtaken. The
-- recent counts are halved whenever they reach the window, so that older events weigh less.
-- KEYS: a source's counts each
-- ARGV: 1 window, 2 how many recent ones at least, 3 share at which the alarm goes up, 4 and at
--       which it goes down, 5.. for each source how many events and how many superseded
-- Returns for each source {1 up | -1 down | 0 as it was, recent events, recent superseded}.
must_be('hash', unpack(KEYS))
local window, least = tonumber(ARGV[1]), tonumber(ARGV[2])
local up, down = tonumber(ARGV[3]), tonumber(ARGV[4])
local now = whole(now_ms())
local results = {}
for i, key in ipairs(KEYS) do
  local events, late = tonumber(ARGV[3 + 2 * i]), tonumber(ARGV[4 + 2 * i])
  redis.call('HINCRBY', key, 'events', events)
  redis.call('HINCRBY', key, 'superseded', late)
  local recent = redis.call('HINCRBY', key, 'recent', events)
  local recent_late = redis.call('HINCRBY', key, 'recent_superseded', late)
  redis.call('HSET', key, 'last_ms', now)
  local alarm = redis.call('HEXISTS', key, 'alarm_ms') == 1
  local crossed = 0
  if not alarm and recent >= least and recent_late > up * recent then
    redis.call('HSET', key, 'alarm_ms', now)
    crossed = 1
  elseif alarm and recent_late < down * recent then
    redis.call('HDEL', key, 'alarm_ms')
    crossed = -1
  end
  results[i] = { crossed, recent, recent_late }
  if recent >= window then
    redis.call('HSET', key, 'recent', math.floor(recent / 2))
    redis.call('HSET', key, 'recent_superseded', math.floor(recent_late / 2))
  end
end
return results
