-- Caches reads and delays writes to the end of a script (`scripts.py` calls `write`), when each key
-- gets all of its changes by one command. A script that fails at a read has written nothing. What is
-- changed here must be read here.
local HASH = { read = 'HMGET', set = 'HSET', remove = 'HDEL' }
local SCORES = { read = 'ZMSCORE', set = 'ZADD', remove = 'ZREM' }
local TEXTS = { read = 'MGET', set = 'MSET', remove = 'DEL' }
local TEXT = '' -- in place of a key: the keys of texts are what elsewhere fields are
local caches, changes, members, lifetimes, sums = {}, {}, {}, {}, {}

local function table_in(tables, name)
  tables[name] = tables[name] or {}
  return tables[name]
end

local function call_at(at, command, list)
  return call_many(command, { at ~= TEXT and at or nil }, list)
end

-- Reads those fields of a hash (SCORES: members of a sorted set; TEXTS: texts) that are not cached yet.
local function fetch(at, fields, kind)
  local cache, missing = table_in(caches, at), {}
  for _, field in ipairs(fields) do
    if cache[field] == nil then
      cache[field] = false
      missing[#missing + 1] = field
    end
  end
  if there[at] == false then
    return
  end
  for i, value in ipairs(call_at(at, (kind or HASH).read, missing)) do
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

-- Changes a field or a score; false removes it. What is known to be so already is not written.
local function put(at, field, value, kind)
  local cache = table_in(caches, at)
  if cache[field] == value or (there[at] == false and not value and not cache[field]) then
    return
  end
  cache[field], there[at] = value, value and true or there[at]
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
  call_at(at, kind.set, kept)
  call_at(at, kind.remove, removed)
end

-- Writes what was delayed; also called before a read that must see it.
local function write()
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
  changes, members, lifetimes, sums = {}, {}, {}, {}
end
