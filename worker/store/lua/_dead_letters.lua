-- Dead letters, of each group the newest; and the outcomes of refused events.
local DEAD_LETTERS_MOST = 1000
local DEAD_LETTERS_BYTES = 2097152
local DEAD_LETTER_LARGE = DEAD_LETTERS_BYTES / DEAD_LETTERS_MOST
local REFUSED_MOST = 1000
local REFUSED_STEP = 50
local REFUSED_S = 86400

-- Drops the oldest dead letters of a group that are too many or too large. One that was replaced by a
-- dead letter of another group stays.
local function trim_dead_letters(group, newest)
  local ids = key.dead_letters_of(group)
  local left, bytes = redis.call('ZCARD', ids), 0
  if #newest > DEAD_LETTER_LARGE then -- if all are small, their number is limit enough
    for _, id in ipairs(redis.call('ZRANGE', ids, 0, -1)) do
      bytes = bytes + redis.call('HSTRLEN', key.dead_letters, id)
    end
  end
  while left > DEAD_LETTERS_MOST or (bytes > DEAD_LETTERS_BYTES and left > 1) do
    local id = redis.call('ZPOPMIN', ids)[1]
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

-- Keeps dead letters, each {id, text, group}; an empty group has no limit.
local function add_dead_letters(dead_letters, now)
  for _, dead_letter in ipairs(dead_letters) do
    local id, text, group = dead_letter.id, dead_letter.text, dead_letter.group
    redis.call('HSET', key.dead_letters, id, text)
    redis.call('ZADD', key.dead_letters_by_time, whole(now), id)
    if group ~= '' then
      local last = redis.call('ZREVRANGE', key.dead_letters_of(group), 0, 0, 'WITHSCORES')[2]
      local after = last and tonumber(last) + 1 or 0 -- many come in one millisecond
      redis.call('ZADD', key.dead_letters_of(group), whole(math.max(now * 1000, after)), id)
      trim_dead_letters(group, text)
    end
  end
end

-- Keeps the outcome of a refused event for a day, of each source the newest. Returns the one before.
local function put_refused(source, event, text)
  local refused = key.refused(source)
  local before = redis.call('HGET', refused, event)
  redis.call('HSET', refused, event, text)
  redis.call('SADD', key.refused_sources, source)
  redis.call('EXPIRE', refused, REFUSED_S)
  redis.call('EXPIRE', key.refused_sources, REFUSED_S)
  if redis.call('HLEN', refused) > REFUSED_MOST + REFUSED_STEP then
    local found, by_time = redis.call('HGETALL', refused), {}
    for i = 1, #found, 2 do
      local after, accepted = string.match(found[i + 1], '^%[%d+,"[%a-]+",(-?%d+),(%d+)')
      by_time[#by_time + 1] = { event = found[i], at = tonumber(accepted) + tonumber(after) }
    end
    table.sort(by_time, function(a, b) return a.at < b.at end)
    local oldest = {}
    for i = 1, #by_time - REFUSED_MOST do
      oldest[i] = by_time[i].event
    end
    call_many('HDEL', { refused }, oldest)
  end
  return before
end
