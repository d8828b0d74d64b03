-- What came of a source, and whether most of its recent events were overtaken by newer ones. The
-- recent counts are halved whenever they reach the window, so that older events weigh less.

-- Counts events of a source, `late` of them superseded. `alarm`: {window, how many recent
-- ones at least, share at which the alarm goes up, and at which it goes down}.
-- Returns 1 up | -1 down | 0 as it was, recent events, recent superseded.
local function count_source(name, events, late, alarm, now)
  local source = key.source(name)
  redis.call('HINCRBY', source, 'events', events)
  redis.call('HINCRBY', source, 'superseded', late)
  local recent = redis.call('HINCRBY', source, 'recent', events)
  local recent_late = redis.call('HINCRBY', source, 'recent_superseded', late)
  redis.call('HSET', source, 'last_ms', whole(now))
  local is_up = redis.call('HEXISTS', source, 'alarm_ms') == 1
  local crossed = 0
  if not is_up and recent >= alarm[2] and recent_late > alarm[3] * recent then
    redis.call('HSET', source, 'alarm_ms', whole(now))
    crossed = 1
  elseif is_up and recent_late < alarm[4] * recent then
    redis.call('HDEL', source, 'alarm_ms')
    crossed = -1
  end
  if recent >= alarm[1] then
    redis.call('HSET', source, 'recent', math.floor(recent / 2))
    redis.call('HSET', source, 'recent_superseded', math.floor(recent_late / 2))
  end
  return crossed, recent, recent_late
end
