-- Marking. A mark's score is priority * SPAN + due, so that one sorted set gives the marks by
-- priority and, within it, by time. Marking is never without the due index of the routers.
local SPAN = 1e13
local NOTIFIED_MS = 10000

local any_braked

local function is_any_braked()
  if any_braked == nil then
    any_braked = redis.call('EXISTS', key.braked) == 1
  end
  return any_braked
end

local function is_braked(router, service)
  return is_any_braked() and get(key.braked, service .. '@' .. router.name) and true
end

local to_list = {}

-- Lists the routers of what was marked, so that the sweep looks at them (`scripts.py` calls it).
local function list_queued()
  local found, flags, listed = {}, {}, {}
  for router in pairs(to_list) do
    found[#found + 1] = router
    flags[#flags + 1] = router.notified
  end
  for i, flag in ipairs(get_many(flags)) do
    -- A parked router waits for its time: a mark must not wake it earlier.
    if flag ~= 'circuit_open' then
      listed[#listed + 1] = whole(to_list[found[i]])
      listed[#listed + 1] = found[i].name
    end
  end
  for first = 1, #listed, MANY do
    redis.call('ZADD', key.routers_due, 'LT',
      unpack(listed, first, math.min(first + MANY - 1, #listed)))
  end
  to_list = {}
end

-- Marks `service` at `router`: keeps the higher priority and the earlier time, renews the stamp.
-- A mark that the brake holds stays held: it is not due until it is let through.
local function add_work(router, service, priority, due, work_version)
  put(router.work_items, service, work_version)
  if is_braked(router, service) then
    return
  end
  local old = score_of(router.due, service)
  if old then
    local old_priority = math.floor(old / SPAN)
    due = math.min(due, old - old_priority * SPAN)
    priority = math.min(priority, old_priority)
  end
  put_score(router.due, service, priority * SPAN + due)
  to_list[router] = math.min(due, to_list[router] or due)
end

local function remove_work(router, service)
  put_score(router.due, service, false)
  put(router.work_items, service, false)
  if is_any_braked() then
    put(key.braked, service .. '@' .. router.name, false)
  end
end

-- A loss counts no more, and is not held.
local function uncount(router, service)
  redis.call('ZREM', router.lost, service)
  put(router.lost_by, service, false)
end

local approved_count = 0

-- Lets a held mark go on: it is due now. Returns whether it was held.
local function approve(router, service, now, work_version)
  local held = service .. '@' .. router.name
  local text = is_any_braked() and get(key.braked, held)
  if not text then
    return false
  end
  approved_count = approved_count + 1
  put(key.braked, held, false)
  put(router.waiting, service, false)
  add_work(router, service, cjson.decode(text).priority, now, work_version)
  return true
end
