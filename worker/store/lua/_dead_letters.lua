-- Dead letters: one a cause, and of events the newest alone; and the words on refused events.
local DEAD_LETTERS_MOST = 1000
local DEAD_LETTERS_BYTES = 2097152
local DEAD_LETTER_LARGE = DEAD_LETTERS_BYTES / DEAD_LETTERS_MOST
local REFUSED_MOST = 1000
local REFUSED_STEP = 50
local REFUSED_S = 86400

-- Lets the oldest letters of a group go that are too many or too large. What is of another group by
-- now was buried anew, and stays.
local function trim_dead_letters(group, newest)
  local dead_letters = key.dead_letters_of(group)
  local left, bytes = redis.call('ZCARD', dead_letters), 0
  if #newest > DEAD_LETTER_LARGE then -- small ones alone are few bytes, as they are few
    for _, id in ipairs(redis.call('ZRANGE', dead_letters, 0, -1)) do
      bytes = bytes + redis.call('HSTRLEN', key.dead_letters, id)
    end
  end
  while left > DEAD_LETTERS_MOST or (bytes > DEAD_LETTERS_BYTES and left > 1) do
    local id = redis.call('ZPOPMIN', dead_letters)[1]
    local text = redis.call('HGET', key.dead_letters, id)
    left = left - 1
    if text then
      bytes = bytes - #text
      local is_json, dead_letter = pcall(cjson.decode, text)
      if not is_json or (dead_letter.source or '') .. '|' .. dead_letter.reason == group then
        redis.call('HDEL', key.dead_letters, id)
        redis.call('ZREM', key.dead_letters_by_time, id)
        redis.call('HINCRBY', key.dead_letters_gone, group, 1)
      end
    end
  end
end

-- Keeps letters, each {id, text, group, nil or '' for none}; of a group the newest.
local function add_dead_letters(dead_letters, now)
  for _, dead_letter in ipairs(dead_letters) do
    local group = dead_letter[3]
    redis.call('HSET', key.dead_letters, dead_letter[1], dead_letter[2])
    redis.call('ZADD', key.dead_letters_by_time, whole(now), dead_letter[1])
    if group and group ~= '' then
      local last = redis.call('ZREVRANGE', key.dead_letters_of(group), 0, 0, 'WITHSCORES')[2]
      local after = last and tonumber(last) + 1 or 0 -- many are buried in one millisecond
      redis.call('ZADD', key.dead_letters_of(group), whole(math.max(now * 1000, after)), dead_letter[1])
      trim_dead_letters(group, dead_letter[2])
    end
  end
end

-- Keeps the word on an event that was refused, for a day, and of its source the newest. Returns the
-- word before.
local function note_refused(source, event, text)
  local refused = key.refused(source)
  local before = redis.call('HGET', refused, event)
  redis.call('HSET', refused, event, text)
  redis.call('SADD', key.refused_sources, source)
  redis.call('EXPIRE', refused, REFUSED_S)
  redis.call('EXPIRE', key.refused_sources, REFUSED_S)
  if redis.call('HLEN', refused) > REFUSED_MOST + REFUSED_STEP then
    local found, said = redis.call('HGETALL', refused), {}
    for i = 1, #found, 2 do
      local after, accepted = string.match(found[i + 1], '^%[%d+,"[%a-]+",(-?%d+),(%d+)')
      said[#said + 1] = { found[i], tonumber(accepted) + tonumber(after) }
    end
    table.sort(said, function(a, b) return a[2] < b[2] end)
    local fallen = {}
    for i = 1, #said - REFUSED_MOST do
      fallen[i] = said[i][1]
    end
    call_many('HDEL', refused, fallen)
  end
  return before
end
