-- Redis's own clock: times that two processes compare are its times. It stands still for a script.
local CLOCK = redis.call('TIME')

local function now_ms()
  return tonumber(CLOCK[1]) * 1000 + math.floor(tonumber(CLOCK[2]) / 1000)
end

local function whole(number)
  return string.format('%.0f', number)
end
