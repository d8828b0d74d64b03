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

-- `feed`: where it is told too, if it is news; nil: nowhere.
local function say(event, text, seconds, feed, now)
  local before = redis.call('SET', key.outcome(event), text, 'EX', seconds or OUTCOME_S, 'GET')
  if feed and is_news(before, text) then
    append(feed, text, now)
  end
end

local function note_lines(service, lines)
  local history = key.history(service)
  if redis.call('LPUSH', history, unpack(lines)) > HISTORY then
    redis.call('LTRIM', history, 0, HISTORY - 1)
  end
end

-- Puts an event first among those of its service. The outcomes of those that fall off go too, but
-- where the last word is not said yet.
local function note_recent(service, event_key)
  local recent = key.recent(service)
  redis.call('LREM', recent, 0, event_key)
  if redis.call('LPUSH', recent, event_key) > RECENT then
    for _, fallen in ipairs(redis.call('LRANGE', recent, RECENT, -1)) do
      local text = redis.call('GET', key.outcome(fallen))
      if text and not OPEN[state_of(text)] then
        redis.call('DEL', key.outcome(fallen))
      end
    end
    redis.call('LTRIM', recent, 0, RECENT - 1)
  end
  redis.call('EXPIRE', recent, RECENT_S)
end

local function generation_in(text)
  return text and tonumber(string.match(text, '^(%d+)|')) or 0
end

local function generation_of(service)
  return generation_in(redis.call('GET', key.record(service)))
end

-- The generations of services, in their order. What is new here must not be another program's key.
local function generations_of(services)
  local records, new, found = {}, {}, {}
  for i, service in ipairs(services) do
    records[i] = key.record(service)
  end
  for i, text in ipairs(get_many(records)) do
    found[i] = generation_in(text)
    if not text then
      new[#new + 1] = records[i]
      new[#new + 1] = key.history(services[i])
    end
  end
  for i, each in ipairs(#new > 0 and redis.call('EXISTS', unpack(new)) > 0 and new or {}) do
    local kind, ours = redis.call('TYPE', each).ok, i % 2 == 0 and 'list' or 'string'
    if kind ~= 'none' and kind ~= ours then
      error({ err = 'WRONGTYPE the key ' .. each .. ' is a ' .. kind .. ': it is not ours' })
    end
  end
  return found
end
