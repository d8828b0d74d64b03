-- Ringing for routers. Needs `_marks` and `_call`.

-- Sends a message for `router` unless somebody holds it or one is pending; returns whether it did. A
-- bulk pass that waits for its turn is as good as a message for who asks for bulk alone.
local function ring(router, for_bulk)
  if redis.call('EXISTS', router.lease) == 1 then
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
local function ring_touched(routers, touched)
  for at, what in pairs(touched) do
    ring(routers[at], what == 'bulk')
  end
end
