-- Source counters, and the alarm that most recent events of a source are superseded. The recent counts
-- are halved whenever they reach the window, so that older events weigh less.
local COUNTERS = { 'events', 'superseded', 'recent', 'recent_superseded', 'alarm_ms', 'services' }

-- The key of the counters of a source, which are read at once.
local function counters_of(source)
  fetch(key.source(source), COUNTERS)
  return key.source(source)
end

local function add_to(source, counter, by)
  local sum = (get(source, counter) or 0) + by
  put(source, counter, sum)
  return sum
end

-- Counts living services that a source owns.
local function count_owned(name, change)
  if not get(counters_of(name), 'services') then
    later('SADD', key.owners, name)
  end
  add_to(key.source(name), 'services', change)
end

-- Counts events of a source, `late` of them superseded. `alarm`: {window, least number of recent
-- events, share that begins the alarm, share that ends it}.
-- Returns 1 alarm begins | -1 ends | 0 as it was, recent events, recent superseded.
local function count_source(name, events, late, alarm, now)
  local source = counters_of(name)
  add_to(source, 'events', events)
  add_to(source, 'superseded', late)
  local recent, recent_late = add_to(source, 'recent', events), add_to(source, 'recent_superseded', late)
  local has_alarm, crossed = get(source, 'alarm_ms'), 0
  if not has_alarm and recent >= alarm[2] and recent_late > alarm[3] * recent then
    put(source, 'alarm_ms', whole(now))
    crossed = 1
  elseif has_alarm and recent_late < alarm[4] * recent then
    put(source, 'alarm_ms', false)
    crossed = -1
  end
  if recent >= alarm[1] then
    put(source, 'recent', math.floor(recent / 2))
    put(source, 'recent_superseded', math.floor(recent_late / 2))
  end
  put(source, 'last_ms', whole(now))
  return crossed, recent, recent_late
end
