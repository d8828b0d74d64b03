-- A script that fails half-way leaves half of what it does: what it is given is checked before its
-- first write.

local looked_at, missing = {}, {}

-- Each of the keys (or nil: none) must be missing or of the kind: string, hash, set, zset or list.
local function must_be(kind, ...)
  for i = 1, select('#', ...) do
    local key = select(i, ...)
    if key and not looked_at[key] then
      looked_at[key] = true
      local found = redis.call('TYPE', key).ok
      missing[key] = found == 'none'
      if found ~= kind and found ~= 'none' then
        error('key ' .. key .. ' is of kind ' .. found .. ', not ' .. kind .. ': it is not ours')
      end
    end
  end
end

local MANY = 1000

-- One command for many members or fields of a key; for pairs too, as `MANY` is even. Returns the
-- answers of those that read, one after the other.
local function call_many(command, key, arguments)
  local answers = {}
  for first = 1, #arguments, MANY do
    local some = redis.call(command, key,
      unpack(arguments, first, math.min(first + MANY - 1, #arguments)))
    for _, answer in ipairs(type(some) == 'table' and some or {}) do
      answers[#answers + 1] = answer
    end
  end
  return answers
end

-- The texts at prefix .. name for each of the names; false: there is none.
local function get_many(prefix, names)
  local found = {}
  for first = 1, #names, MANY do
    local keys = {}
    for i = first, math.min(first + MANY - 1, #names) do
      keys[#keys + 1] = prefix .. names[i]
    end
    for _, text in ipairs(redis.call('MGET', unpack(keys))) do
      found[#found + 1] = text
    end
  end
  return found
end
