-- Work items. Their score is priority * SPAN + due time (ms), so that one sorted set orders them by
-- priority and then by time.
local SPAN = 1e13
local NOTIFIED_MS = 10000

local function is_braked(router, service)
  return is_there(key.braked) and get(key.braked, service .. '@' .. router.name) and true
end

local due_by_router = {}

-- Lists the routers that got work items, so that the sweep checks them (`scripts.py` calls it).
local function list_queued()
  local flags, due_and_name = {}, {}
  for router in pairs(due_by_router) do
    flags[#flags + 1] = router.notified
  end
  fetch(TEXT, flags, TEXTS)
  for router, due in pairs(due_by_router) do
    if get(TEXT, router.notified) ~= 'circuit_open' then -- else it waits for its next try, whatever is due
      due_and_name[#due_and_name + 1] = whole(due)
      due_and_name[#due_and_name + 1] = router.name
    end
  end
  call_many('ZADD', { key.routers_due, 'LT' }, due_and_name)
  due_by_router = {}
end

-- Adds a work item, or keeps the higher priority and the earlier time of an existing one; sets a new
-- work version. An item that the brake holds stays held.
local function add_work(router, service, priority, due, work_version)
  put(router.work_items, service, work_version)
  if is_braked(router, service) then
    return
  end
  local old = get(router.due, service, SCORES)
  if old then
    local old_priority = math.floor(old / SPAN)
    due = math.min(due, old - old_priority * SPAN)
    priority = math.min(priority, old_priority)
  end
  put(router.due, service, priority * SPAN + due, SCORES)
  due_by_router[router] = math.min(due, due_by_router[router] or due)
end

local function remove_work(router, service)
  if not get(router.due, service, SCORES) and is_there(key.braked) then -- the brake may hold it
    put(key.braked, service .. '@' .. router.name, false)
  end
  put(router.due, service, false, SCORES)
  put(router.work_items, service, false)
end

-- Removes a loss: it counts no longer, and its service is not held for it.
local function uncount(router, service)
  redis.call('ZREM', router.lost, service)
  put(router.lost_by, service, false)
end

local approved_count = 0

-- Makes a work item that the brake holds due now. Returns whether it was held.
local function approve(router, service, now, work_version)
  local member = service .. '@' .. router.name
  local text = is_there(key.braked) and get(key.braked, member)
  if not text then
    return false
  end
  approved_count = approved_count + 1
  put(key.braked, member, false)
  put(router.waiting, service, false)
  add_work(router, service, cjson.decode(text).priority, now, work_version)
  return true
end
