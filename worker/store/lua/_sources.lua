-- What came of a source, and whether most of its recent events were overtaken by newer ones. The
-- recent counts are halved whenever they reach the window, so that older events weigh less.

-- Counts events of the source at `key`, `late` of them superseded. `alarm`: {window, how many recent
-- ones at least, share at which the alarm goes up, and at which it goes down}.
-- Returns 1 up | -1 down | 0 as it was, recent events, recent superseded.
local function count_source(key, events, late, alarm, now)
  redis.call('HINCRBY', key, 'events', events)
  redis.call('HINCRBY', key, 'superseded', late)
  local recent = redis.call('HINCRBY', key, 'recent', events)
  local recent_late = redis.call('HINCRBY', key, 'recent_superseded', late)
  redis.call('HSET', key, 'last_ms', whole(now))
  local is_up = redis.call('HEXISTS', key, 'alarm_ms') == 1
  local crossed = 0
  if not is_up and recent >= alarm[2] and recent_late > alarm[3] * recent then
    redis.call('HSET', key, 'alarm_ms', whole(now))
    crossed = 1
  elseif is_up and recent_late < alarm[4] * recent then
    redis.call('HDEL', key, 'alarm_ms')
    crossed = -1
  end
  if recent >= alarm[1] then
    redis.call('HSET', key, 'recent', math.floor(recent / 2))
    redis.call('HSET', key, 'recent_superseded', math.floor(recent_late / 2))
  end
  return crossed, recent, recent_late
end
