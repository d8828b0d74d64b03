-- include: _time _kinds _fields _router _marks _call _ring _events
-- Lets all through that one limit of the brake holds, if it is just what a person was shown.
-- KEYS: 1 all that the brake holds, 2 actions, 3 routers due, then the keys that ARGV[1] names
-- ARGV: 1 JSON {hold, action: {…} as text, stamp, router_keys: as of `commit`,
--         routers: [[name, first key], …], losses: [counts of sources, …],
--         marks: [{field, text, service, router, history, line}, …]}
-- Returns 1; 0 when the list is another one by now (nothing is changed).
local ACTIONS = 500
local order = cjson.decode(ARGV[1])
must_be('hash', KEYS[1])
must_be('list', KEYS[2])
must_be('zset', KEYS[3])
local routers = {}
for i, each in ipairs(order.routers) do
  routers[i] = router_at(each[1], each[2])
end
for _, at in ipairs(order.losses) do
  must_be('zset', KEYS[at])
end
for _, each in ipairs(order.marks) do
  must_be('list', KEYS[each.history])
end
local there = redis.call('HGETALL', KEYS[1])
local number = 0
for i = 2, #there, 2 do
  if cjson.decode(there[i]).hold == order.hold then
    number = number + 1
  end
end
if number ~= #order.marks then
  return 0
end
for _, each in ipairs(order.marks) do
  if redis.call('HGET', KEYS[1], each.field) ~= each.text then
    return 0
  end
end
local now = now_ms()
-- A person has looked: what was counted so far was right, and the hour begins anew.
local is_of_source = string.match(order.hold, '^source:') ~= nil
if is_of_source then
  for _, at in ipairs(order.losses) do
    for _, member in ipairs(redis.call('ZRANGE', KEYS[at], 0, -1)) do
      local service, name = string.match(member, '^([^@]*)@(.*)$')
      local keys = {}
      for i, parts in ipairs(order.router_keys) do
        keys[i] = parts[2] and parts[1] .. name .. parts[2] or parts[1]
      end
      uncount(router_of(name, keys, 1), service)
    end
    redis.call('DEL', KEYS[at])
  end
end
local touched = {}
for _, each in ipairs(order.marks) do
  local router = routers[each.router]
  let_through(router, each.service, now, order.stamp, KEYS[3])
  touched[each.router] = true
  uncount(router, each.service)
  if not is_of_source then
    redis.call('DEL', router.lost, router.lost_by)
    for _, at in ipairs(order.losses) do
      redis.call('ZREM', KEYS[at], each.field)
    end
  end
  note_lines(KEYS[each.history], { each.line })
end
redis.call('LPUSH', KEYS[2], order.action)
redis.call('LTRIM', KEYS[2], 0, ACTIONS - 1)
ring_touched(routers, touched, KEYS[3])
return 1
