-- Dead letters: one a cause, and of events the newest alone. Needs `_events`.
local LETTERS_MOST = 1000
local LETTERS_BYTES = 2097152
local LETTER_LARGE = LETTERS_BYTES / LETTERS_MOST
local REFUSED_MOST = 1000
local REFUSED_S = 86400
local REFUSED = { rejected = true, failed = true, expired = true }

-- Lets the oldest letters of a group go that are too many or too large. What is of another group by
-- now was buried anew, and stays.
local function trim_letters(by_id, by_time, of, group, newest)
  local key = of.prefix .. group
  local count, bytes = redis.call('ZCARD', key), 0
  if #newest > LETTER_LARGE then -- small ones alone are few bytes, as they are few
    for _, id in ipairs(redis.call('ZRANGE', key, 0, -1)) do
      bytes = bytes + redis.call('HSTRLEN', by_id, id)
    end
  end
  while count > LETTERS_MOST or (bytes > LETTERS_BYTES and count > 1) do
    local id = redis.call('ZPOPMIN', key)[1]
    local text = redis.call('HGET', by_id, id)
    count = count - 1
    if text then
      bytes = bytes - #text
      local is_json, letter = pcall(cjson.decode, text)
      if not is_json or (letter.source or '') .. '|' .. letter.reason == group then
        redis.call('HDEL', by_id, id)
        redis.call('ZREM', by_time, id)
        redis.call('HINCRBY', of.gone, group, 1)
      end
    end
  end
end

-- Keeps letters, each {id, text, group, nil or '' for none}; of a group the newest. `of` = {prefix: of the keys of
-- groups, gone: key of how many of each went}; nil where no letter has a group.
local function bury(by_id, by_time, letters, now, of)
  for _, letter in ipairs(letters) do
    redis.call('HSET', by_id, letter[1], letter[2])
    redis.call('ZADD', by_time, whole(now), letter[1])
    if letter[3] and letter[3] ~= '' then
      local key = of.prefix .. letter[3]
      local last = redis.call('ZREVRANGE', key, 0, 0, 'WITHSCORES')[2]
      local after = last and tonumber(last) + 1 or 0 -- many are buried in one millisecond
      redis.call('ZADD', key, whole(math.max(now * 1000, after)), letter[1])
      trim_letters(by_id, by_time, of, letter[3], letter[2])
    end
  end
end

-- Puts an event first among those of its source that were refused. The outcomes of those that fall
-- off go too: nothing of ours refers to them.
local function note_refused(key, event_key, outcome_prefix)
  redis.call('LREM', key, 0, event_key)
  if redis.call('LPUSH', key, event_key) > REFUSED_MOST then
    for _, fallen in ipairs(redis.call('LRANGE', key, REFUSED_MOST, -1)) do
      local text = redis.call('GET', outcome_prefix .. fallen)
      if text and REFUSED[state_of(text)] then
        redis.call('DEL', outcome_prefix .. fallen)
      end
    end
    redis.call('LTRIM', key, 0, REFUSED_MOST - 1)
  end
  redis.call('EXPIRE', key, REFUSED_S)
end
