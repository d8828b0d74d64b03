-- Caches reads and delays writes to the end of a script (`scripts.py` calls `write`), when each key
-- gets all of its changes by one command. A script that fails at a read has written nothing. What is
-- changed here must be read here. Needs `_many`.
local HASH = { read = 'HMGET', set = 'HSET', remove = 'HDEL' }
local SCORES = { read = 'ZMSCORE', set = 'ZADD', remove = 'ZREM' }
local caches, changes, texts, members, lifetimes, sums = {}, {}, {}, {}, {}, {}

local function table_in(tables, name)
  tables[name] = tables[name] or {}
  return tables[name]
end

-- Reads those fields of a hash (SCORES: members of a sorted set) that are not cached yet.
local function fetch(at, fields, kind)
  local cache, missing = table_in(caches, at), {}
  for _, field in ipairs(fields) do
    if cache[field] == nil then
      cache[field] = false
      missing[#missing + 1] = field
    end
  end
  for i, value in ipairs(call_many((kind or HASH).read, { at }, missing)) do
    cache[missing[i]] = value and kind == SCORES and tonumber(value) or value
  end
end

-- The text of a field, or the score of a member; false: there is none.
local function get(at, field, kind)
  if not caches[at] or caches[at][field] == nil then
    fetch(at, { field }, kind)
  end
  return caches[at][field]
end

-- Changes a field or a score; false removes it.
local function put(at, field, value, kind)
  table_in(caches, at)[field] = value
  local change = table_in(changes, at)
  change.kind = kind or HASH
  table_in(change, 'fields')[field] = true
end

-- Adds a member, a field or a pair to a command that takes many. Of one key and member a script
-- says one thing only.
local function later(command, at, member, value)
  local list = table_in(table_in(members, command), at)
  list[#list + 1] = member
  list[#list + 1] = value
end

-- `once`: not if the key has a time limit already.
local function expire_later(at, seconds, once)
  lifetimes[at] = { seconds, once and 'NX' or nil }
end

-- Adds to a counter in a hash.
local function count(at, name, by)
  local sum = table_in(sums, at)
  sum[name] = (sum[name] or 0) + by
end

local function set_later(at, text)
  texts[#texts + 1] = at
  texts[#texts + 1] = text
end

local function write_changes(at, kind, fields)
  local kept, removed = {}, {}
  for field in pairs(fields) do
    local value = caches[at][field]
    if not value then
      removed[#removed + 1] = field
    else
      kept[#kept + 1] = kind == SCORES and whole(value) or field
      kept[#kept + 1] = kind == SCORES and field or value
    end
  end
  call_many(kind.set, { at }, kept)
  call_many(kind.remove, { at }, removed)
end

-- Writes what was delayed; also called before a read that must see it.
local function write()
  call_many('MSET', {}, texts)
  for at, change in pairs(changes) do
    write_changes(at, change.kind, change.fields)
  end
  for command, keys in pairs(members) do
    for at, list in pairs(keys) do
      call_many(command, { at }, list)
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
  changes, texts, members, lifetimes, sums = {}, {}, {}, {}, {}
end
