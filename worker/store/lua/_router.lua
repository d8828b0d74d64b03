-- Routers by name: each a table of its keys with its name.
local routers = {}

local function router_named(name)
  local router = routers[name]
  if not router then
    router = key.router(name)
    router.name = name
    routers[name] = router
  end
  return router
end
