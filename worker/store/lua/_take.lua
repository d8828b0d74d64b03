-- Taking due work items.

-- The claims that a service holds, as JSON, and 1 if it has others that are vacating, else 0.
local function held_claims(router, service)
  local text = get(router.held, service) or '[]'
  local held, vacates = {}, 0
  for _, claim in ipairs(cjson.decode(text)) do
    if claim_state(holders_of(router, claim[1]), claim[2], service) == 1 then
      held[#held + 1] = claim
    else
      vacates = 1
    end
  end
  return vacates == 0 and text or #held == 0 and '[]' or cjson.encode(held), vacates
end

local function is_report_asked(router)
  return is_there(key.reports.asked) and redis.call('SISMEMBER', key.reports.asked, router.name) == 1
end

local SHORT = 2 * 20

-- The first work items {service, score, …}: fewer than SHORT values are all that there are.
local function first_queued(router)
  if not router.queue or changes[router.due] then
    write()
    router.queue = there[router.due] == false and {}
      or redis.call('ZRANGE', router.due, 0, SHORT / 2 - 1, 'WITHSCORES')
    for i = 1, #router.queue, 2 do
      table_in(caches, router.due)[router.queue[i]] = tonumber(router.queue[i + 1])
    end
  end
  return router.queue
end

local function due_services(router, priority, most, now)
  local low, queue, found = priority * SPAN, first_queued(router), {}
  if #queue == SHORT then
    return redis.call('ZRANGEBYSCORE', router.due, whole(low), whole(low + now), 'LIMIT', 0, most)
  end
  for i = 1, #queue, 2 do
    local score = tonumber(queue[i + 1])
    if low <= score and score <= low + now and #found < most then
      found[#found + 1] = queue[i]
    end
  end
  return found
end

local function any_due(router, first, last, now)
  for priority = first, last do
    if #due_services(router, priority, 1, now) > 0 then
      return true
    end
  end
  return false
end

-- So long after Redis started again, or another took over, what it lost is sent again.
local SENT_AGAIN_MS = 600000

-- Until when the work came that may be of services of which Redis lost its last writes.
local function sent_again_until(now)
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
  local known, since = string.match(get(TEXT, key.redis_run, TEXTS) or '', '^(%w+)|(%d+)$')
  if known ~= run then
    since = known and whole(now) or '0'
    redis.call('SET', key.redis_run, run .. '|' .. since)
  end
  return tonumber(since) + SENT_AGAIN_MS
end

-- At most `most` due work items by priority, each {service, work version, priority, record, why it
-- waits, the claims that it holds, leases added in flight or false, 1 if it came when events were sent
-- again that Redis lost, else 0, 1 if it has vacating claims, else 0}. Of priority 2 and 3, which are bulk, at most
-- `most_bulk` and only if no others are due: live work that comes now waits for the whole batch.
local function due_work_items(router, most, most_bulk, now)
  local found, until_ms = {}, #first_queued(router) > 0 and sent_again_until(now)
  for priority = 0, 3 do
    if priority == 2 then
      most = #found == 0 and math.min(most, most_bulk) or 0
    end
    local room = most - #found
    if room > 0 then
      local services = due_services(router, priority, room, now)
      fetch(router.due, services, SCORES)
      fetch(router.work_items, services)
      fetch(router.waiting, services)
      fetch(router.inflight, services)
      fetch_claims(router, services, {})
      local record_keys = {}
      for i, service in ipairs(services) do
        record_keys[i] = key.record(service)
      end
      fetch(TEXT, record_keys, TEXTS)
      for i, service in ipairs(services) do
        local text = get(TEXT, record_keys[i])
        local held, vacates = held_claims(router, service)
        found[#found + 1] = {
          service,
          get(router.work_items, service),
          whole(priority),
          text and string.match(text, '^[^\n]*'),
          get(router.waiting, service),
          held,
          sent_of(router, service),
          get(router.due, service, SCORES) <= priority * SPAN + until_ms and 1 or 0,
          vacates,
        }
      end
    end
  end
  return found
end

-- When the first work item of any priority is due; nil: there is none.
local function first_due(router)
  local queue, first = first_queued(router), nil
  if #queue == SHORT then
    queue = {}
    for low = 0, 3 * SPAN, SPAN do
      append_all(queue, redis.call('ZRANGEBYSCORE', router.due, whole(low), '(' .. whole(low + SPAN),
        'WITHSCORES', 'LIMIT', 0, 1))
    end
  end
  for i = 2, #queue, 2 do
    first = math.min(first or SPAN, queue[i] % SPAN)
  end
  return first
end
