-- Taking due marks, and the second look at writes that a former holder may have left under way.

-- Notes of other holders: marked now, and once more after twice the lease; the note stays till then.
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

-- The due marks by priority, each {service, stamp, score, record}; at most `most`.
local function due_marks(router, most, now, record_prefix)
  local found = {}
  for priority = 0, 3 do
    local room = most - #found
    if room > 0 then
      local low = priority * SPAN
      local services = redis.call(
        'ZRANGEBYSCORE', router.due, whole(low), whole(low + now), 'LIMIT', 0, room)
      for _, service in ipairs(services) do
        found[#found + 1] = {
          service,
          redis.call('HGET', router.marks, service),
          whole(priority),
          redis.call('GET', record_prefix .. service) or false,
        }
      end
    end
  end
  return found
end

-- When the first mark of any priority is due; nil when there is none.
local function first_due(router)
  local first = nil
  for priority = 0, 3 do
    local low = priority * SPAN
    local hit = redis.call('ZRANGEBYSCORE', router.due, whole(low),
      '(' .. whole(low + SPAN), 'WITHSCORES', 'LIMIT', 0, 1)
    if hit[2] then
      local due = tonumber(hit[2]) - low
      if not first or due < first then
        first = due
      end
    end
  end
  return first
end
