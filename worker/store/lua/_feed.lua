-- Outcome feeds: the outcomes of a source's events in their order. All feeds share one sequence of ids,
-- so that one cursor serves any number of them: Redis's time and a number, never less than the last
-- one. Neither a clock that is set back nor a Redis that rolls back gives an id that a reader passed.
local FEED_MOST = 50000
local FEED_STEP = 100

-- Drops the oldest items up to and with `id`, which is kept: a reader that missed some is told so.
local function trim_items(feed, id)
  local ms, number = string.match(id, '^(%d+)-(%d+)$')
  redis.call('XTRIM', feed, 'MINID', ms .. '-' .. whole(tonumber(number) + 1))
  redis.call('HSET', key.feed_gone, feed, id)
end

local lengths = {}

local function append(name, text, now)
  local feed = key.feed(name)
  local length = lengths[feed] or redis.call('XLEN', feed)
  local ms, number = string.match(get(TEXT, key.feed_last, TEXTS) or '0-0', '^(%d+)-(%d+)$')
  ms, number = tonumber(ms), tonumber(number) + 1
  if now > ms then
    ms, number = now, 0
  end
  local id = whole(ms) .. '-' .. whole(number)
  put(TEXT, key.feed_last, id, TEXTS)
  redis.call('XADD', feed, id, 'outcome', text)
  lengths[feed] = length + 1
  if length == 0 then
    redis.call('HSETNX', key.feed_gone, feed, '0-0')
  elseif length + 1 >= FEED_MOST + FEED_STEP then
    local oldest = redis.call('XRANGE', feed, '-', '+', 'COUNT', FEED_STEP)
    trim_items(feed, oldest[FEED_STEP][1])
    lengths[feed] = nil
  end
end

-- Whether an outcome differs from the one before by more than its time, its third value.
local function is_new(before, text)
  local function untimed(outcome)
    return (string.gsub(outcome, '^(%[%d+,"[%a-]+",)%-?%d+', '%1', 1))
  end
  return not before or untimed(before) ~= untimed(text)
end

-- Sets a new outcome of an event that was committed before: {key, text, feed or false}.
local function set_outcome(service, outcome, now)
  local before = service and replace_outcome(service, outcome.key, outcome.text, now)
    or remember_briefly(outcome.key, outcome.text, now)
  if outcome.feed and is_new(before, outcome.text) then
    append(outcome.feed, outcome.text, now)
  end
end
