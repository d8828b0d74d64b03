-- The outcome feeds: what is said of the events of a source, in the order in which it was said.
-- All feeds share one row of ids, so that one cursor stands for any number of them: Redis's time
-- and a sequence within it, never less than the one before, so that neither a clock that is set
-- back nor a Redis that rolls back hands an id out that a reader has passed already.
local FEED_MOST = 50000
local FEED_STEP = 100

-- Lets the oldest items go, up to and with `id`; which was the last to go is kept, so that a reader
-- who missed some can be told.
local function trim_items(feed, id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  redis.call('XTRIM', feed, 'MINID', ms .. '-' .. whole(tonumber(seq) + 1))
  redis.call('HSET', key.feed_gone, feed, id)
end

-- What this script knows of them: the last id, which is written when it has ended (`scripts.py` sees
-- to that), and how long a feed is.
local last_id, lengths = nil, {}

local function append(name, text, now)
  local feed = key.feed(name)
  local length = lengths[feed] or redis.call('XLEN', feed)
  local ms, seq = string.match(last_id or redis.call('GET', key.feed_last) or '0-0', '^(%d+)-(%d+)$')
  ms, seq = tonumber(ms), tonumber(seq) + 1
  if now > ms then
    ms, seq = now, 0
  end
  last_id = whole(ms) .. '-' .. whole(seq)
  redis.call('XADD', feed, last_id, 'outcome', text)
  lengths[feed] = length + 1
  if length == 0 then
    redis.call('HSETNX', key.feed_gone, feed, '0-0')
  elseif length + 1 >= FEED_MOST + FEED_STEP then
    local oldest = redis.call('XRANGE', feed, '-', '+', 'COUNT', FEED_STEP)
    trim_items(feed, oldest[FEED_STEP][1])
    lengths[feed] = nil
  end
end

-- Whether a word on an event says more than the time at which it was said, which is the third of
-- an outcome's array.
local function is_new(before, text)
  local function untimed(outcome)
    return (string.gsub(outcome, '^(%[%d+,"[%a-]+",)%-?%d+', '%1', 1))
  end
  return not before or untimed(before) ~= untimed(text)
end

-- Says the word on an event of a service, `said` = {event, text, feed or false, brief?}.
local function say(service, said, now)
  local before = service and not said[4] and replace_outcome(service, said[1], said[2], now)
    or remember_briefly(said[1], said[2], now)
  if said[3] and is_new(before, said[2]) then
    append(said[3], said[2], now)
  end
end

local function write_last_id()
  if last_id then
    redis.call('SET', key.feed_last, last_id)
  end
end
