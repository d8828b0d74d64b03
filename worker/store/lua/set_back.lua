-- include: _time _kinds _fields _router _marks _notes
-- Redis's clock was set back: moments that were noted by the former one come later by as much, and
-- flags live longer. Moves them, as if no time had gone by since the last sweep. A mark or a router
-- may be looked at early for that; what must not happen early, a lease's end and the second look at
-- writes in flight, is shortened to the longest that it can be.
-- KEYS: 1 when somebody swept last, 2 routers due, 3 routers that people hold, 4 reports due,
--       5 schedule, 6 canaries under way, then flags and sorted sets of moments
-- ARGV: 1 JSON {last: when that was, lease_ms, release_ms: for how long a scheduled event is left
--         to whoever took it, router_keys: as of `commit`, watched: what keys of the watch begin with,
--         flags: [[key, longest life (ms)], …],
--         moments: [[key, what lies so far ahead (ms) may be right], …]}
-- Returns 1; 0 when somebody else did it.
local order = cjson.decode(ARGV[1])
must_be('string', KEYS[1])
must_be('zset', KEYS[2], KEYS[4], KEYS[5])
must_be('hash', KEYS[3], KEYS[6])
for _, each in ipairs(order.flags) do
  must_be('string', KEYS[each[1]])
end
for _, each in ipairs(order.moments) do
  must_be('zset', KEYS[each[1]])
end
local now = now_ms()
local back = order.last - now
if redis.call('GET', KEYS[1]) ~= whole(order.last) or back <= 0 then
  return 0
end

local function shorten(flag, longest)
  if redis.call('PTTL', flag) > longest then
    redis.call('PEXPIRE', flag, longest)
  end
end

local function end_sooner(flag)
  local left = redis.call('PTTL', flag)
  if left > back then
    redis.call('PEXPIRE', flag, left - back)
  elseif left > 0 then
    redis.call('DEL', flag)
  end
end

-- What lies ahead in a sorted set, whose scores are moments beside `offset`. The fraction of a score
-- keeps the order in which it came.
local function move(key, offset, right, until_ms)
  local found = redis.call('ZRANGEBYSCORE', key, whole(offset + now + right),
    until_ms and whole(until_ms) or '(' .. whole(offset + SPAN), 'WITHSCORES')
  for i = 1, #found, 2 do
    local at = math.max(offset + now, tonumber(found[i + 1]) - back)
    redis.call('ZADD', key, string.format('%.4f', at), found[i])
  end
end

local function move_router(name)
  local parts = {}
  for i, each in ipairs(order.router_keys) do
    parts[i] = each[2] and each[1] .. name .. each[2] or each[1]
  end
  local router = router_of(name, parts, 1)
  shorten(router.lease, 2 * order.lease_ms) -- who takes one that another has waits for its end
  end_sooner(router.rung)
  end_sooner(order.watched .. name)
  for priority = 0, 3 do
    move(router.due, priority * SPAN, 1)
  end
  local latest = now + 2 * order.lease_ms
  for _, service in ipairs(redis.call('HKEYS', router.inflight)) do
    local found = read_note(router, service)
    if found.look > latest then
      write_note(router, service, found.token, latest, found.sent)
    end
  end
end

local names = {}
for _, key in ipairs({ KEYS[2], KEYS[4] }) do
  for _, name in ipairs(redis.call('ZRANGE', key, 0, -1)) do
    names[name] = true
  end
end
for _, name in ipairs(redis.call('HKEYS', KEYS[3])) do
  names[name] = true
end
for name in pairs(names) do
  move_router(name)
end
move(KEYS[2], 0, 1)
move(KEYS[4], 0, 1)
-- Of what is scheduled only that is near which somebody took and did not release: it is taken anew.
move(KEYS[5], 0, 1, order.last + 2 * order.release_ms)
redis.call('DEL', KEYS[6])
for _, each in ipairs(order.flags) do
  shorten(KEYS[each[1]], each[2])
end
for _, each in ipairs(order.moments) do
  move(KEYS[each[1]], 0, each[2])
end
redis.call('SET', KEYS[1], whole(now))
return 1
