-- Source counters, and the alarm that most recent events of a source are superseded. The recent counts
-- are halved whenever they reach the window, so that older events weigh less.

-- Counts events of a source, `late` of them superseded. `alarm`: {window, least number of recent
-- events, share that begins the alarm, share that ends it}.
-- Returns 1 alarm begins | -1 ends | 0 as it was, recent events, recent superseded.
local function count_source(name, events, late, alarm, now)
  local source = key.source(name)
  local counters = redis.call('HMGET', source, 'events', 'superseded', 'recent',
    'recent_superseded', 'alarm_ms')
  local has_alarm = counters[5]
  for i = 1, 4 do
    counters[i] = tonumber(counters[i] or 0) + (i % 2 == 0 and late or events)
  end
  local all, all_late, recent, recent_late = unpack(counters, 1, 4)
  local crossed = 0
  if not has_alarm and recent >= alarm[2] and recent_late > alarm[3] * recent then
    redis.call('HSET', source, 'alarm_ms', whole(now))
    crossed = 1
  elseif has_alarm and recent_late < alarm[4] * recent then
    redis.call('HDEL', source, 'alarm_ms')
    crossed = -1
  end
  local share = recent >= alarm[1] and 2 or 1
  redis.call('HSET', source, 'events', all, 'superseded', all_late, 'last_ms', whole(now),
    'recent', math.floor(recent / share), 'recent_superseded', math.floor(recent_late / share))
  return crossed, recent, recent_late
end
