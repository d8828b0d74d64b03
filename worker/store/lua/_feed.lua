-- The outcome feeds: what is said of the events of a source, in the order in which it was said.
-- All feeds share one row of ids, so that one cursor stands for any number of them: Redis's time
-- and a sequence within it, never less than the one before, so that neither a clock that is set
-- back nor a Redis that rolls back hands an id out that a reader has passed already.
local FEED_MOST = 50000
local FEED_STEP = 100

-- Lets the oldest items go, up to and with `id`; which was the last to go is kept, so that a reader
-- who missed some can be told.
local function let_items_go(feed, gone_key, id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  redis.call('XTRIM', feed, 'MINID', ms .. '-' .. whole(tonumber(seq) + 1))
  redis.call('HSET', gone_key, feed, id)
end

-- What this script knows of them: the last id by its key, which is written when it has ended
-- (`scripts.py` sees to that), and how long a feed is.
local last_ids, lengths = {}, {}

-- Appends to a feed. `at` = {key of the last id, key of what went}.
local function append(feed, at, text, now)
  local last = last_ids[at[1]] or redis.call('GET', at[1]) or '0-0'
  local ms, seq = string.match(last, '^(%d+)-(%d+)$')
  ms, seq = tonumber(ms), tonumber(seq) + 1
  if now > ms then
    ms, seq = now, 0
  end
  local id = whole(ms) .. '-' .. whole(seq)
  last_ids[at[1]] = id
  redis.call('XADD', feed, id, 'outcome', text)
  local length = lengths[feed] and lengths[feed] + 1 or redis.call('XLEN', feed)
  lengths[feed] = length
  if length == 1 then
    redis.call('HSETNX', at[2], feed, '0-0')
  elseif length >= FEED_MOST + FEED_STEP then
    local oldest = redis.call('XRANGE', feed, '-', '+', 'COUNT', FEED_STEP)
    let_items_go(feed, at[2], oldest[FEED_STEP][1])
    lengths[feed] = nil
  end
end

-- Whether a word on an event says more than the time at which it was said, which is the third of
-- an outcome's array. Of an object, the first format, it says the same in another way: news.
local function is_news(before, text)
  local function untimed(word)
    return (string.gsub(word, '^(%[%d+,"[%a-]+",)%-?%d+', '%1', 1))
  end
  return not before or untimed(before) ~= untimed(text)
end

local function write_last_ids()
  for key, id in pairs(last_ids) do
    redis.call('SET', key, id)
  end
end
