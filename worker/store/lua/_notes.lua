-- Notes in flight, service -> `token|look`: writes that the holder of `token` may have under way
-- (none: `token` is empty), and when to look once more (ms) at what a former holder may have left
-- (0: need not).

local function note(router, token, service)
  local old = redis.call('HGET', router.inflight, service)
  local look = old and string.match(old, '|(%d+)$') or '0'
  redis.call('HSET', router.inflight, service, token .. '|' .. look)
end

-- All that `token` wrote for the service was answered; a second look that is to come stays.
local function clear_note(router, token, service)
  local old = redis.call('HGET', router.inflight, service)
  local look = old and string.match(old, '^' .. token .. '|(%d+)$')
  if look == '0' then
    redis.call('HDEL', router.inflight, service)
  elseif look then
    redis.call('HSET', router.inflight, service, '|' .. look)
  end
end

-- Notes of others than `token`: their services are marked now, and once more after twice the
-- lease; the note stays till then. Notes of a second look that is due: marked and forgotten.
-- Returns when the next second look is due, or nil.
local function look_at_notes(router, token, lease_ms, stamp, now, routers_due)
  local notes = redis.call('HGETALL', router.inflight)
  local next_look = nil
  for i = 1, #notes, 2 do
    local service = notes[i]
    local holder, look = string.match(notes[i + 1], '^([^|]*)|(%d+)$')
    look = tonumber(look)
    if holder ~= '' and holder ~= token then
      look = now + 2 * lease_ms
      redis.call('HSET', router.inflight, service, '|' .. whole(look))
      mark(router, service, 0, now, stamp, routers_due)
    elseif look > 0 and look <= now then
      look = 0
      if holder == '' then
        redis.call('HDEL', router.inflight, service)
      else
        redis.call('HSET', router.inflight, service, holder .. '|0')
      end
      mark(router, service, 0, now, stamp, routers_due)
    end
    if look > 0 and (not next_look or look < next_look) then
      next_look = look
    end
  end
  return next_look
end
