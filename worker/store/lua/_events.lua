-- What is said of an event: its latest outcome, its place in the service's lists, the counters.
local OUTCOME_S = 30 * 86400
local SEEN_S = 40 * 86400
local HISTORY = 50
local RECENT = 20

local function say(key, text, seconds)
  redis.call('SET', key, text, 'EX', seconds or OUTCOME_S)
end

local function bury(by_id, by_time, letters, now)
  for _, letter in ipairs(letters) do
    redis.call('HSET', by_id, letter[1], letter[2])
    redis.call('ZADD', by_time, whole(now), letter[1])
  end
end

local function note_lines(key, lines)
  redis.call('LPUSH', key, unpack(lines))
  redis.call('LTRIM', key, 0, HISTORY - 1)
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
