-- Redis's clock, which all processes share. It stands still while a script runs.
local CLOCK = redis.call('TIME')

local function now_ms()
  return tonumber(CLOCK[1]) * 1000 + math.floor(tonumber(CLOCK[2]) / 1000)
end

local function whole(number)
  return string.format('%.0f', number)
end
