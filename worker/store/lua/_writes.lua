-- Writes that wait until the script has ended, when each key gets all of its own by one command
-- (`scripts.py` calls `write`). So reads come first: a script that fails at one has written nothing.
-- What is written so may be read only by what is here. Needs `_many`.
local texts, fields_changed, scores_changed, members, lifetimes, sums = {}, {}, {}, {}, {}, {}
local field_texts, member_scores = {}, {}

local function known_of(all, at)
  local known = all[at]
  if not known then
    known = {}
    all[at] = known
  end
  return known
end

-- Reads those of the fields of a hash that are not known yet.
local function fetch(at, fields)
  local known, wanted = known_of(field_texts, at), {}
  for _, field in ipairs(fields) do
    if known[field] == nil then
      known[field] = false
      wanted[#wanted + 1] = field
    end
  end
  for i, text in ipairs(call_many('HMGET', at, wanted)) do
    known[wanted[i]] = text
  end
end

-- The text of a field; false: there is none.
local function get(at, field)
  local known = field_texts[at]
  if not known or known[field] == nil then
    fetch(at, { field })
  end
  return field_texts[at][field]
end

-- Changes a field; false removes it.
local function put(at, field, text)
  known_of(field_texts, at)[field] = text
  known_of(fields_changed, at)[field] = true
end

-- The same for the scores of a sorted set.
local function fetch_scores(at, list)
  local known, wanted = known_of(member_scores, at), {}
  for _, member in ipairs(list) do
    if known[member] == nil then
      known[member] = false
      wanted[#wanted + 1] = member
    end
  end
  for i, score in ipairs(call_many('ZMSCORE', at, wanted)) do
    known[wanted[i]] = tonumber(score or nil) or false
  end
end

local function score_of(at, member)
  local known = member_scores[at]
  if not known or known[member] == nil then
    fetch_scores(at, { member })
  end
  return member_scores[at][member]
end

local function put_score(at, member, score)
  known_of(member_scores, at)[member] = score
  known_of(scores_changed, at)[member] = true
end

-- One more member, field or pair for a command that takes many of a key. Of one key and member
-- nobody says two things.
local function later(command, at, one, other)
  local list = known_of(known_of(members, command), at)
  list[#list + 1] = one
  list[#list + 1] = other
end

-- `once`: not where it has a time limit already.
local function expire_later(at, seconds, once)
  lifetimes[at] = { seconds, once and 'NX' or nil }
end

-- Adds to a counter in a hash.
local function count(at, name, by)
  local known = known_of(sums, at)
  known[name] = (known[name] or 0) + by
end

local function set_later(at, text)
  texts[#texts + 1] = at
  texts[#texts + 1] = text
end

-- Writes what is changed of a hash or a sorted set.
local function write_changed(at, changed, known, set, remove, is_scores)
  local kept, gone = {}, {}
  for each in pairs(changed) do
    local value = known[each]
    if not value then
      gone[#gone + 1] = each
    elseif is_scores then
      kept[#kept + 1] = whole(value)
      kept[#kept + 1] = each
    else
      kept[#kept + 1] = each
      kept[#kept + 1] = value
    end
  end
  call_many(set, at, kept)
  call_many(remove, at, gone)
end

-- Writes what waits; before a read of what may be among it, too.
local function write()
  for first = 1, #texts, MANY do
    redis.call('MSET', unpack(texts, first, math.min(first + MANY - 1, #texts)))
  end
  for at, changed in pairs(fields_changed) do
    write_changed(at, changed, field_texts[at], 'HSET', 'HDEL')
  end
  for at, changed in pairs(scores_changed) do
    write_changed(at, changed, member_scores[at], 'ZADD', 'ZREM', true)
  end
  for command, keys in pairs(members) do
    for at, list in pairs(keys) do
      call_many(command, at, list)
    end
  end
  for at, lifetime in pairs(lifetimes) do
    redis.call('EXPIRE', at, unpack(lifetime))
  end
  for at, counts in pairs(sums) do
    for name, by in pairs(counts) do
      redis.call('HINCRBY', at, name, by)
    end
  end
  texts, fields_changed, scores_changed, members, lifetimes, sums = {}, {}, {}, {}, {}, {}
end
