-- Ringing for routers. Needs `_work_items` and `_call`.

-- Sends a message for each of these routers, name -> true or `bulk` where there is nothing else, unless
-- somebody holds it or one is pending; returns how many. A bulk pass that waits for its turn is as good
-- as a message for who asks for bulk alone. More messages than routers that are due mean that nobody
-- takes them: then the sweep rings, once they are taken.
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
  local found = get_many(flags)
  for i, name in ipairs(names) do
    local holder, flag = found[2 * i - 1], found[2 * i]
    local may = not flag or (flag == 'bulk' and touched[name] ~= 'bulk')
    if #notified < room and not holder and may then
      redis.call('SET', flags[2 * i], '1', 'PX', NOTIFIED_MS)
      notified[#notified + 1] = name
    end
  end
  notify_routers(notified)
  return #notified
end
