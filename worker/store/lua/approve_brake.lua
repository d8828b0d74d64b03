-- Approves all work items that one limit of the brake holds, if they are what the person was shown.
-- ARGV: 1 JSON {scope, audit entry as `action`, work_version, sources: whose losses are counted,
--         work_items: [{field, text, service, router, line}, …]}
-- Returns 1; 0 when the list has changed (nothing is changed then).
local order = cjson.decode(ARGV[1])
local braked = redis.call('HGETALL', key.braked)
local number = 0
for i = 2, #braked, 2 do
  if cjson.decode(braked[i]).scope == order.scope then
    number = number + 1
  end
end
if number ~= #order.work_items then
  return 0
end
for _, item in ipairs(order.work_items) do
  if get(key.braked, item.field) ~= item.text then
    return 0
  end
end
local losses = {}
for _, source in ipairs(order.sources) do
  losses[#losses + 1] = key.losses(source).lost
  losses[#losses + 1] = key.losses(source).suspended
end
-- A person approved what was counted so far: the hour begins again.
local is_of_source = string.match(order.scope, '^source:') ~= nil
if is_of_source then
  for _, at in ipairs(losses) do
    for _, member in ipairs(redis.call('ZRANGE', at, 0, -1)) do
      local service, name = string.match(member, '^([^@]*)@(.*)$')
      uncount(router_named(name), service)
    end
    redis.call('DEL', at)
  end
end
local touched = {}
for _, item in ipairs(order.work_items) do
  local router = router_named(item.router)
  approve(router, item.service, now_ms(), order.work_version)
  touched[item.router] = true
  uncount(router, item.service)
  if not is_of_source then
    redis.call('DEL', router.lost, router.lost_by)
    for _, at in ipairs(losses) do
      redis.call('ZREM', at, item.field)
    end
  end
  add_lines(item.service, { item.line })
end
record_action(order.action)
notify(touched)
return 1
