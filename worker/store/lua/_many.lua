-- One command for many members.
local MANY = 1000

-- One command for many members or fields of a key; for pairs too, as `MANY` is even. Returns the
-- answers of those that read, one after the other.
local function call_many(command, at, arguments)
  if #arguments <= MANY then
    return #arguments > 0 and redis.call(command, at, unpack(arguments)) or {}
  end
  local answers = {}
  for first = 1, #arguments, MANY do
    local some = redis.call(command, at,
      unpack(arguments, first, math.min(first + MANY - 1, #arguments)))
    for _, answer in ipairs(type(some) == 'table' and some or {}) do
      answers[#answers + 1] = answer
    end
  end
  return answers
end

-- The texts at these keys; false: there is none.
local function get_many(keys)
  local found = {}
  for first = 1, #keys, MANY do
    for _, text in ipairs(redis.call('MGET', unpack(keys, first, math.min(first + MANY - 1, #keys)))) do
      found[#found + 1] = text
    end
  end
  return found
end
