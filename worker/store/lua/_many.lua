-- Calls of one command for any number of members.
local MANY = 1000

-- Calls `command` with the arguments `fixed` and, a thousand at a time, those of `list` (of pairs:
-- MANY is even). Returns the answers of commands that read, in order.
local function call_many(command, fixed, list)
  local answers = {}
  for first = 1, #list, MANY do
    local arguments = { unpack(fixed) }
    for i = first, math.min(first + MANY - 1, #list) do
      arguments[#arguments + 1] = list[i]
    end
    local found = redis.call(command, unpack(arguments))
    for _, answer in ipairs(type(found) == 'table' and found or {}) do
      answers[#answers + 1] = answer
    end
  end
  return answers
end
