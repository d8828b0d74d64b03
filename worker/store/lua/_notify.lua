-- Notifies workers of routers with new work. Needs `_work_items` and `_notified`.

-- Sends a message for each of these routers, name -> true, or `bulk` if only bulk is due, unless the
-- router is locked or a message is pending; returns how many. For bulk alone, a bulk pass that waits
-- for its turn is as good as a message. If the queue has more messages than routers are due, no
-- worker takes them: then the sweep sends a message later.
local function notify(touched)
  local names, flags, notified = {}, {}, {}
  for name in pairs(touched) do
    names[#names + 1] = name
    flags[#flags + 1] = router_named(name).lock
    flags[#flags + 1] = router_named(name).notified
  end
  list_queued()
  local room = #names > 0
    and redis.call('ZCARD', key.routers_due) + 1 - redis.call('LLEN', key.queue('routers')) or 0
  local found = call_many('MGET', {}, flags)
  for i, name in ipairs(names) do
    local lock, flag = found[2 * i - 1], found[2 * i]
    local may = not flag or (flag == 'bulk' and touched[name] ~= 'bulk')
    if #notified < room and not lock and may then
      redis.call('SET', flags[2 * i], '1', 'PX', NOTIFIED_MS)
      notified[#notified + 1] = name
    end
  end
  notify_routers(notified)
  return #notified
end
