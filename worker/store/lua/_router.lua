-- A router's keys by name: `first` is the index of its block in KEYS (worker/store/keys.py).
local function router_at(name, first)
  local router = {
    name = name,
    due = KEYS[first],
    marks = KEYS[first + 1],
    lease = KEYS[first + 2],
    rung = KEYS[first + 3],
    inflight = KEYS[first + 4],
    claims = KEYS[first + 5],
    held = KEYS[first + 6],
    waiters = KEYS[first + 7],
    services = KEYS[first + 8],
    waiting = KEYS[first + 9],
    state = KEYS[first + 10],
  }
  must_be('zset', router.due)
  must_be('string', router.lease, router.rung, router.state)
  must_be('hash', router.marks, router.inflight, router.claims, router.held)
  must_be('hash', router.waiters, router.waiting)
  must_be('set', router.services)
  return router
end
