-- Calls of one command for any number of members or keys.
local MANY = 1000

-- Calls `command` with the arguments `fixed` and, a thousand at a time, those of `list` (of pairs:
-- MANY is even). Returns the answers in order.
local function call_many(command, fixed, list)
  local answers = {}
  for first = 1, #list, MANY do
    local arguments = { unpack(fixed) }
    for i = first, math.min(first + MANY - 1, #list) do
      arguments[#arguments + 1] = list[i]
    end
    local found = redis.call(command, unpack(arguments))
    for _, answer in ipairs(type(found) == 'table' and found or { found }) do
      answers[#answers + 1] = answer
    end
  end
  return answers
end

local function append_all(list, values)
  for _, value in ipairs(values) do
    list[#list + 1] = value
  end
end

local there = {}

-- Whether none of these keys is there: one question for all that mostly are not.
local function none_of(keys)
  local none = #keys == 0 or redis.call('EXISTS', unpack(keys)) == 0
  for _, at in ipairs(none and keys or {}) do
    there[at] = false
  end
  return none
end

local function is_there(at)
  if there[at] == nil then
    there[at] = redis.call('EXISTS', at) == 1
  end
  return there[at]
end
