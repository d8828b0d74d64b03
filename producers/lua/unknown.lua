-- Finds the events that this Redis does not know: they are in no journal, and were not folded or refused.
-- KEYS: 1 journal body of live events, 2 of bulk events
-- ARGV: 1 to 3 what the keys of remembered events, of brief outcomes and of refused events begin with,
--       then key and source of each event
-- Returns the keys of the unknown ones.
local seen, brief, refused, first_event = ARGV[1], ARGV[2], ARGV[3], 4
local SEEN_S, SEEN_PERIODS, BRIEF_S, SHORT_KEY = 8 * 86400, 5, 3600, 16 -- as worker/store/lua/_services.lua

-- The keys of one kind that may have an event, the likeliest first. One is yet to come: the clock may
-- have been set back.
local function keys_of(start, length_s, last)
  local now, keys = math.floor(redis.call('TIME')[1] / length_s), {}
  for before = 0, last do
    keys[#keys + 1] = start .. string.format('%.0f', now - before)
  end
  keys[#keys + 1] = start .. string.format('%.0f', now + 1)
  return keys
end

local seen_keys = keys_of(seen, SEEN_S, SEEN_PERIODS - 1)
local brief_keys = keys_of(brief, BRIEF_S, 1)

local function is_in(keys, event)
  for _, key in ipairs(keys) do
    if redis.call('HEXISTS', key, event) == 1 then
      return true
    end
  end
  return false
end

local unknown = {}
for i = first_event, #ARGV, 2 do
  local event, source = ARGV[i], ARGV[i + 1]
  if not is_in(KEYS, event)
    and not is_in(seen_keys, string.sub(event, 1, SHORT_KEY))
    and not is_in(brief_keys, event)
    and not is_in({ refused .. source, refused }, event) -- without a source: of unknown sources
  then
    unknown[#unknown + 1] = event
  end
end
return unknown
