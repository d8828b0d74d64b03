-- Taking due marks.

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
