-- Routers by name: each a table of its keys, with its name.
local routers = {}

local function router_named(name)
  if not routers[name] then
    routers[name] = key.router(name)
    routers[name].name = name
  end
  return routers[name]
end

-- Sets the state of a router, JSON. `{}` (all is well) deletes the key; an empty text changes nothing.
local function set_state(router, text)
  if text == '{}' then
    redis.call('DEL', router.state)
  elseif text ~= '' then
    redis.call('SET', router.state, text)
  end
end
