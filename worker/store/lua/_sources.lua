-- What came of a source, and whether most of its recent events were overtaken by newer ones. The
-- recent counts are halved whenever they reach the window, so that older events weigh less.

-- Counts events of a source, `late` of them superseded. `alarm`: {window, how many recent
-- ones at least, share at which the alarm goes up, and at which it goes down}.
-- Returns 1 up | -1 down | 0 as it was, recent events, recent superseded.
local function count_source(name, events, late, alarm, now)
  local source = key.source(name)
  local so_far = redis.call('HMGET', source, 'events', 'superseded', 'recent',
    'recent_superseded', 'alarm_ms')
  local is_up = so_far[5]
  for i = 1, 4 do
    so_far[i] = tonumber(so_far[i] or 0) + (i % 2 == 0 and late or events)
  end
  local all, all_late, recent, recent_late = unpack(so_far, 1, 4)
  local crossed = 0
  if not is_up and recent >= alarm[2] and recent_late > alarm[3] * recent then
    redis.call('HSET', source, 'alarm_ms', whole(now))
    crossed = 1
  elseif is_up and recent_late < alarm[4] * recent then
    redis.call('HDEL', source, 'alarm_ms')
    crossed = -1
  end
  local share = recent >= alarm[1] and 2 or 1
  redis.call('HSET', source, 'events', all, 'superseded', all_late, 'last_ms', whole(now),
    'recent', math.floor(recent / share), 'recent_superseded', math.floor(recent_late / share))
  return crossed, recent, recent_late
end
