-- Redis's own clock in milliseconds: times that two processes compare are its times.
local function now_ms()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end

local function whole(number)
  return string.format('%.0f', number)
end
