-- Source counters, and the alarm that most recent events of a source are superseded. The recent counts
-- are halved whenever they reach the window, so that older events weigh less.
local COUNTERS = { 'events', 'superseded', 'recent', 'recent_superseded', 'alarm_ms', 'services' }

-- The key of the counters of a source, which are read at once.
local function counters_of(source)
  fetch(key.source(source), COUNTERS)
  return key.source(source)
end

-- Counts living services that a source owns.
local function count_owned(name, change)
  local source = counters_of(name)
  local owned = get(source, 'services')
  if not owned then
    later('SADD', key.owners, name)
  end
  put(source, 'services', (owned or 0) + change)
end

-- Counts events of a source, `late` of them superseded. `alarm`: {window, least number of recent
-- events, share that begins the alarm, share that ends it}.
-- Returns 1 alarm begins | -1 ends | 0 as it was, recent events, recent superseded.
local function count_source(name, events, late, alarm, now)
  local source, counters = counters_of(name), {}
  for name, by in pairs({ events = events, superseded = late, recent = events, recent_superseded = late }) do
    counters[name] = tonumber(get(source, name) or 0) + by
  end
  local recent, recent_late = counters.recent, counters.recent_superseded
  local has_alarm, crossed = get(source, 'alarm_ms'), 0
  if not has_alarm and recent >= alarm[2] and recent_late > alarm[3] * recent then
    put(source, 'alarm_ms', whole(now))
    crossed = 1
  elseif has_alarm and recent_late < alarm[4] * recent then
    put(source, 'alarm_ms', false)
    crossed = -1
  end
  local share = recent >= alarm[1] and 2 or 1
  counters.recent, counters.recent_superseded = math.floor(recent / share), math.floor(recent_late / share)
  counters.last_ms = whole(now)
  for name, value in pairs(counters) do
    put(source, name, value)
  end
  return crossed, recent, recent_late
end
