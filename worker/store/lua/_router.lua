-- Routers by name: each a table of its keys, with its name.
local routers = {}

local function router_named(name)
  if not routers[name] then
    routers[name] = key.router(name)
    routers[name].name = name
  end
  return routers[name]
end
