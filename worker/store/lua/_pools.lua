-- Addresses and prefixes of our pools: each belongs to one service over all pools and routers.
-- Per value: `until|service`. 0: the service has it. LEFT: the service gave it back, and its row may
-- still stand on a router. Else until when (ms) no other service gets it; then the service may be
-- empty: a row that is not ours has it.
local LEFT = -1
local LEFT_SCORE = 9e15 -- in the set of a pool, where the newest come last

local function holder_of(value)
  local text = get(key.assigned, value)
  if not text then
    return nil, 1
  end
  local until_ms, holder = string.match(text, '^(-?%d+)|(.*)$')
  return holder, tonumber(until_ms)
end

-- A fixed address may be any that nobody has now: an event says so.
local function may_take(value, service, is_fixed, now)
  local holder, until_ms = holder_of(value)
  return not holder or holder == service or (until_ms ~= 0 and is_fixed) or (until_ms > 0 and until_ms <= now)
end

local function set_holder(value, pool, service, until_ms)
  put(key.assigned, value, whole(until_ms) .. '|' .. service)
  put(key.pool_values(pool), value, until_ms == LEFT and LEFT_SCORE or until_ms, SCORES)
end

-- Ends what a service has of a value; another's stays. `until_ms`: as above.
local function give_back(value, pool, service, until_ms)
  local holder = holder_of(value)
  if holder == service then
    set_holder(value, pool, service, until_ms)
  end
end

-- Its row is gone: the quarantine begins.
local function begin_quarantine(value, pool, service, until_ms)
  local holder, before = holder_of(value)
  if holder == service and before == LEFT then
    set_holder(value, pool, service, until_ms)
  end
end

-- Whether a service waits for a pool, and since when (0: it comes first).
local function set_waiting(pool, service, waits, since)
  local waiting = key.pool_waiting(pool)
  put(waiting, service, waits and (get(waiting, service, SCORES) or since), SCORES)
end

local function forget_value(value, pool)
  put(key.assigned, value, false)
  put(key.pool_values(pool), value, false, SCORES)
end
