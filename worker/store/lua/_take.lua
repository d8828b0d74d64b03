-- Taking due marks. Needs `_claims` and `_notes`.

-- What `service` holds, as it is stored, if it holds all of it strongly; false otherwise.
local function is_held(router, service)
  local text = get(router.held, service)
  for _, claim in ipairs(text and cjson.decode(text) or {}) do
    local mine = read_claim(router, claim[1])[claim[2]]
    if not (mine and mine[1] == service and mine[2] == 1) then
      return false
    end
  end
  return text or '[]'
end

local function any_due(router, first, last, now)
  for priority = first, last do
    local low = priority * SPAN
    if #redis.call(
      'ZRANGEBYSCORE', router.due, whole(low), whole(low + now), 'LIMIT', 0, 1) > 0 then
      return true
    end
  end
  return false
end

-- The due marks by priority, each {service, stamp, priority, record, why it waits, claims that it
-- holds strongly, what its note in flight says was added or false}; at most `most`. Of priority 2 and
-- 3, those of bulk, at most `most_bulk`, and none beside others: whoever is marked meanwhile waits
-- for the whole batch.
local function due_work_items(router, most, most_bulk, now)
  write()
  local found, queued = {}, redis.call('ZCARD', router.due)
  for priority = 0, 3 do
    if priority == 2 then
      most = #found == 0 and math.min(most, most_bulk) or 0
    end
    local room = most - #found
    if room > 0 and #found < queued then
      local low = priority * SPAN
      local services = redis.call(
        'ZRANGEBYSCORE', router.due, whole(low), whole(low + now), 'LIMIT', 0, room)
      fetch(router.work_items, services)
      fetch(router.waiting, services)
      fetch(router.inflight, services)
      fetch_claims(router, services, {})
      local places = {}
      for i, service in ipairs(services) do
        places[i] = key.record(service)
      end
      local records = get_many(places)
      for i, service in ipairs(services) do
        found[#found + 1] = {
          service,
          get(router.work_items, service),
          whole(priority),
          records[i] and string.match(records[i], '^[^\n]*'),
          get(router.waiting, service),
          is_held(router, service),
          sent_of(router, service),
        }
      end
    end
  end
  return found
end

-- When the first mark of any priority is due; nil when there is none.
local function first_due(router)
  write()
  local first = nil
  for priority = 0, redis.call('ZCARD', router.due) > 0 and 3 or -1 do
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
