-- include: _time _many _writes _router _work_items _notified _notify _services
-- Lets all through that one limit of the brake holds, if it is just what a person was shown.
-- ARGV: 1 JSON {hold, action: {…} as text, stamp, sources: whose losses are counted,
--         marks: [{field, text, service, router, line}, …]}
-- Returns 1; 0 when the list is another one by now (nothing is changed).
local ACTIONS = 500
local order = cjson.decode(ARGV[1])
local there = redis.call('HGETALL', key.braked)
local number = 0
for i = 2, #there, 2 do
  if cjson.decode(there[i]).scope == order.scope then
    number = number + 1
  end
end
if number ~= #order.work_items then
  return 0
end
for _, each in ipairs(order.work_items) do
  if get(key.braked, each.field) ~= each.text then
    return 0
  end
end
local losses = {}
for _, source in ipairs(order.sources) do
  losses[#losses + 1] = key.losses(source).lost
  losses[#losses + 1] = key.losses(source).suspended
end
local now = now_ms()
-- A person has looked: what was counted so far was right, and the hour begins anew.
local is_of_source = string.match(order.scope, '^source:') ~= nil
if is_of_source then
  for _, each in ipairs(losses) do
    for _, member in ipairs(redis.call('ZRANGE', each, 0, -1)) do
      local service, name = string.match(member, '^([^@]*)@(.*)$')
      uncount(router_named(name), service)
    end
    redis.call('DEL', each)
  end
end
local touched = {}
for _, each in ipairs(order.work_items) do
  local router = router_named(each.router)
  approve(router, each.service, now, order.work_version)
  touched[each.router] = true
  uncount(router, each.service)
  if not is_of_source then
    redis.call('DEL', router.lost, router.lost_by)
    for _, at in ipairs(losses) do
      redis.call('ZREM', at, each.field)
    end
  end
  note_lines(each.service, { each.line })
end
redis.call('LPUSH', key.actions, order.action)
redis.call('LTRIM', key.actions, 0, ACTIONS - 1)
notify(touched)
return 1
