-- Ringing for routers. Needs `_marks` and `_call`.

-- Sends a message for `router` unless somebody holds it or one is pending; returns whether it did. A
-- bulk pass that waits for its turn is as good as a message for who asks for bulk alone. More messages
-- than routers that are due mean that nobody takes them: then the sweep rings, once they are taken.
local function ring(router, routers_due, for_bulk)
  if redis.call('EXISTS', router.lease) == 1
    or redis.call('LLEN', router.queue) > redis.call('ZCARD', routers_due) then
    return false
  end
  local over_bulk = not for_bulk and redis.call('GET', router.rung) == 'bulk'
  if over_bulk then
    redis.call('SET', router.rung, '1', 'PX', RING_MS)
  elseif not redis.call('SET', router.rung, '1', 'NX', 'PX', RING_MS) then
    return false
  end
  call_for_router(router.queue, router.name)
  return true
end

-- Rings for some of `routers`: `touched` has their places in it as keys: true, or `bulk` where there
-- is nothing else.
local function ring_touched(routers, touched, routers_due)
  for at, what in pairs(touched) do
    ring(routers[at], routers_due, what == 'bulk')
  end
end
