-- What is said of an event: its latest outcome, its place in the service's lists, the counters.
local OUTCOME_S = 30 * 86400
local SEEN_S = 40 * 86400
local HISTORY = 50
local RECENT = 20
local RECENT_S = 60 * 86400
local OPEN = { accepted = true, scheduled = true, waiting = true }

-- Where an event stands, by the text of its outcome: an array, or the object of the first format.
local function state_of(text)
  return string.match(text, '^%[%d+,"([%a-]+)"') or cjson.decode(text).state
end

-- `feed`: where it is told too, if it is news; nil: nowhere. `at`: see `append`.
local function say(key, text, seconds, feed, at, now)
  local before = redis.call('SET', key, text, 'EX', seconds or OUTCOME_S, 'GET')
  if feed and is_news(before, text) then
    append(feed, at, text, now)
  end
end

local function note_lines(key, lines)
  if redis.call('LPUSH', key, unpack(lines)) > HISTORY then
    redis.call('LTRIM', key, 0, HISTORY - 1)
  end
end

-- Puts an event first among those of its service. The outcomes of those that fall off go too, but
-- where the last word is not said yet.
local function note_recent(recent, event_key, outcome_prefix)
  redis.call('LREM', recent, 0, event_key)
  if redis.call('LPUSH', recent, event_key) > RECENT then
    for _, fallen in ipairs(redis.call('LRANGE', recent, RECENT, -1)) do
      local text = redis.call('GET', outcome_prefix .. fallen)
      if text and not OPEN[state_of(text)] then
        redis.call('DEL', outcome_prefix .. fallen)
      end
    end
    redis.call('LTRIM', recent, 0, RECENT - 1)
  end
  redis.call('EXPIRE', recent, RECENT_S)
end

-- Adds counts, each {name, n}, to `sums`.
local function add_up(sums, counts)
  for _, count in ipairs(counts) do
    sums[count[1]] = (sums[count[1]] or 0) + count[2]
  end
end

local function count_up(counters, sums)
  for name, n in pairs(sums) do
    redis.call('HINCRBY', counters, name, n)
  end
end

local function generation_in(text)
  return text and tonumber(string.match(text, '^(%d+)|')) or 0
end

local function generation_of(record_key)
  return generation_in(redis.call('GET', record_key))
end

-- Key of a record -> its generation, for the keys at these places of KEYS.
local function generations_at(places)
  local keys, found = {}, {}
  for i, place in ipairs(places) do
    keys[i] = KEYS[place]
  end
  for i, text in ipairs(get_many('', keys)) do
    found[keys[i]] = generation_in(text)
  end
  return found
end
