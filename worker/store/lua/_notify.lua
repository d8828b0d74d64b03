-- Notifies workers of routers with new work.

-- The keys that say of routers by name whether a worker is to be notified.
local function flags_of(by_name)
  local flags = {}
  for name in pairs(by_name) do
    flags[#flags + 1] = router_named(name).lock
    flags[#flags + 1] = router_named(name).notified
  end
  return flags
end

-- Sends a message for each of these routers, name -> true, or `bulk` if only bulk is due, unless the
-- router is locked or a message is pending; returns how many. For bulk alone, a bulk pass that waits
-- for its turn is as good as a message. If the queue has more messages than routers are due, no
-- worker takes them: then the sweep sends a message later.
local function notify(touched)
  local notified = {}
  fetch(TEXT, flags_of(touched), TEXTS)
  list_queued()
  for name, is_live in pairs(touched) do
    local router = router_named(name)
    local flag = get(TEXT, router.notified)
    local may = not flag or (flag == 'bulk' and is_live ~= 'bulk')
    if may and not get(TEXT, router.lock) then
      notified[#notified + 1] = name
    end
  end
  local messages = notify_routers(notified)
  local excess = messages > 1 and messages - redis.call('ZCARD', key.routers_due) - 1 or 0
  for _ = 1, math.min(excess, #notified) do
    redis.call('LPOP', key.queue('routers'))
    table.remove(notified)
  end
  for _, name in ipairs(notified) do
    redis.call('SET', router_named(name).notified, '1', 'PX', NOTIFIED_MS)
  end
  return #notified
end
