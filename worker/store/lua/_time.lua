-- Redis's clock, which all processes share. It stands still while a script runs.
local time

local function clock()
  time = time or redis.call('TIME')
  return time
end

local function now_ms()
  return tonumber(clock()[1]) * 1000 + math.floor(tonumber(clock()[2]) / 1000)
end

local function whole(number)
  return string.format('%.0f', number)
end
