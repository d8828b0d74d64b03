-- A router's keys by name, of a list in which they begin at `first` (worker/store/keys.py).
local function router_of(name, keys, first)
  local router = {
    name = name,
    due = keys[first],
    marks = keys[first + 1],
    lease = keys[first + 2],
    rung = keys[first + 3],
    inflight = keys[first + 4],
    claims = keys[first + 5],
    held = keys[first + 6],
    waiters = keys[first + 7],
    services = keys[first + 8],
    waiting = keys[first + 9],
    state = keys[first + 10],
    lost = keys[first + 11],
    lost_by = keys[first + 12],
    braked = keys[first + 13],
    queue = keys[first + 14],
  }
  must_be('zset', router.due)
  must_be('string', router.lease, router.rung)
  must_be('hash', router.marks, router.claims, router.held)
  must_be('set', router.services)
  must_be('list', router.queue)
  must_be('hash', router.braked)
  router.none_braked = missing[router.braked]
  -- Of these a router mostly has none, which is asked at once.
  router.nobody_waits = redis.call('EXISTS', router.lost, router.lost_by, router.state,
    router.inflight, router.waiters, router.waiting) == 0
  if not router.nobody_waits then
    must_be('zset', router.lost, router.waiters)
    must_be('string', router.state)
    must_be('hash', router.lost_by, router.inflight, router.waiting)
  end
  return router
end

-- The router whose block begins at `first` in KEYS.
local function router_at(name, first)
  return router_of(name, KEYS, first)
end
