-- Marking. A mark's score is priority * SPAN + due, so that one sorted set gives the marks by
-- priority and, within it, by time. Marking is never without the due index of the routers.
local SPAN = 1e13
local RING_MS = 10000

local function is_braked(router, service)
  return not router.none_braked
    and redis.call('HEXISTS', router.braked, service .. '@' .. router.name) == 1
end

-- Marks `service` at `router`: keeps the higher priority and the earlier time, renews the stamp.
-- A mark that the brake holds stays held: it is not due until it is let through.
local function mark(router, service, priority, due, stamp, routers_due)
  put(router.marks, service, stamp)
  if is_braked(router, service) then
    return
  end
  local old = redis.call('ZSCORE', router.due, service)
  if old then
    local old_priority = math.floor(tonumber(old) / SPAN)
    due = math.min(due, tonumber(old) - old_priority * SPAN)
    priority = math.min(priority, old_priority)
  end
  redis.call('ZADD', router.due, whole(priority * SPAN + due), service)
  if router.listed and due >= router.listed then
    return -- this script listed it already
  end
  -- A parked router waits for its time: a mark must not wake it earlier.
  if redis.call('GET', router.rung) ~= 'parked' then
    redis.call('ZADD', routers_due, 'LT', whole(due), router.name)
  end
  router.listed = router.listed and due
end

local function unmark(router, service)
  redis.call('ZREM', router.due, service)
  put(router.marks, service, false)
  if not router.none_braked then
    redis.call('HDEL', router.braked, service .. '@' .. router.name)
  end
end

-- A loss counts no more, and is not held.
local function uncount(router, service)
  redis.call('ZREM', router.lost, service)
  redis.call('HDEL', router.lost_by, service)
end

local let_through_count = 0

-- Lets a held mark go on: it is due now. Returns whether it was held.
local function let_through(router, service, now, stamp, routers_due)
  local field = service .. '@' .. router.name
  local text = not router.none_braked and redis.call('HGET', router.braked, field)
  if not text then
    return false
  end
  let_through_count = let_through_count + 1
  redis.call('HDEL', router.braked, field)
  put(router.waiting, service, false)
  mark(router, service, cjson.decode(text).priority, now, stamp, routers_due)
  return true
end
