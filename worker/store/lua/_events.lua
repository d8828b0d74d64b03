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
  redis.call('LPUSH', key, unpack(lines))
  redis.call('LTRIM', key, 0, HISTORY - 1)
end

-- Puts an event first among those of its service. The outcomes of those that fall off go too, but
-- where the last word is not said yet.
local function note_recent(recent, event_key, outcome_prefix)
  redis.call('LREM', recent, 0, event_key)
  redis.call('LPUSH', recent, event_key)
  for _, fallen in ipairs(redis.call('LRANGE', recent, RECENT, -1)) do
    local text = redis.call('GET', outcome_prefix .. fallen)
    if text and not OPEN[state_of(text)] then
      redis.call('DEL', outcome_prefix .. fallen)
    end
  end
  redis.call('LTRIM', recent, 0, RECENT - 1)
  redis.call('EXPIRE', recent, RECENT_S)
end

local function count_up(counters, counts)
  for _, count in ipairs(counts) do
    redis.call('HINCRBY', counters, count[1], count[2])
  end
end

local function generation_of(record_key)
  local text = redis.call('GET', record_key)
  return text and tonumber(string.match(text, '^(%d+)|')) or 0
end
