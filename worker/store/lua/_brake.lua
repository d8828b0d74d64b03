-- The brake. It counts losses of working entries in a sliding hour, by router and by source of the
-- event. Beyond a limit it holds work items: they leave `due`, and `braked` lists them, `service@router`
-- -> {scope, source, at_ms, work_version, priority} as JSON. `scope` is the limit: `router:NAME` or
-- `source:URI`. Every commit of the service renews the work version.
local HOUR_MS = 3600000
local RECENT_MS = 60000
local COUNTED_S = 7200

local function put_braked(router, service, entry)
  put(key.braked, service .. '@' .. router.name, cjson.encode(entry))
end

local function braked_at(router, service)
  local text = is_there(key.braked) and get(key.braked, service .. '@' .. router.name)
  return text and cjson.decode(text)
end

-- Holds the work item of a service, if it has one; a held one moves to `scope`. Returns 1 or 0.
local function hold_work_item(router, service, scope, work_version, now)
  local entry = braked_at(router, service)
  local score = get(router.due, service, SCORES)
  if not (entry or score) then
    return 0
  end
  if not entry then
    entry = { at_ms = now, priority = math.floor(score / SPAN) }
    entry.source = get(router.lost_by, service) or ''
    put(router.due, service, false, SCORES)
    put(router.waiting, service, cjson.encode({
      reason = 'held-for-approval',
      detail = 'more services than usual lose their entries (' .. scope .. ')',
      since_ms = now,
    }))
  end
  entry.scope, entry.work_version = scope, work_version
  put_braked(router, service, entry)
  return 1
end

-- Counts a loss; returns 1 if it is new.
local function count_loss(losses, member, now)
  local added = redis.call('ZADD', losses, whole(now), member)
  redis.call('EXPIRE', losses, COUNTED_S)
  return added
end

local function losses_within_hour(losses, now)
  redis.call('ZREMRANGEBYSCORE', losses, '-inf', whole(now - HOUR_MS))
  return redis.call('ZCARD', losses)
end

local function recent_losses(losses, now)
  return redis.call('ZRANGEBYSCORE', losses, whole(now - RECENT_MS), '+inf')
end

-- Forgets the sources of losses that count no longer.
local function forget_old(router, now)
  local before = whole(now - HOUR_MS)
  for _, service in ipairs(redis.call('ZRANGEBYSCORE', router.lost, '-inf', before)) do
    put(router.lost_by, service, false)
  end
  redis.call('ZREMRANGEBYSCORE', router.lost, '-inf', before)
end

-- Uses one of the losses that were announced for `scope`; false if none is left.
local function was_announced(scope, now)
  local text = get(key.announced, scope)
  local announced = text and cjson.decode(text)
  if not announced or announced.until_ms <= now or announced.from_ms > now
    or announced.used >= announced.services then
    return false
  end
  announced.used = announced.used + 1
  put(key.announced, scope, cjson.encode(announced))
  return true
end

-- Counts the loss of a commit (`cut`). Returns the scope and how many work items it holds, or nil.
local function brake(cut, limits, router, service, work_version, now)
  local entry = braked_at(router, service)
  if entry then
    entry.work_version = work_version
    put_braked(router, service, entry)
    return nil
  end
  local member, by_source, by_router = service .. '@' .. router.name, 'source:' .. cut.source,
    'router:' .. router.name
  if not (cut.new and limits) or was_announced(by_source, now) or was_announced(by_router, now) then
    return nil
  end
  write() -- other services of this commit may have changed what is counted below
  local losses = key.losses(cut.source)
  forget_old(router, now)
  local new_at_router = count_loss(router.lost, service, now)
  put(router.lost_by, service, cut.source)
  expire_later(router.lost_by, COUNTED_S)
  local new_of_source = count_loss(cut.is_suspension and losses.suspended or losses.lost, member, now)
  local weight = cut.is_suspension and 1 / limits.source_suspensions or 1
  local of_source = losses_within_hour(losses.lost, now)
    + losses_within_hour(losses.suspended, now) / limits.source_suspensions
  local owned = tonumber(get(counters_of(cut.source), 'services') or 0)
  local most = math.max(limits.source_services, limits.source_percent * owned / 100)
  if of_source > most then
    local held = hold_work_item(router, service, by_source, work_version, now)
    if of_source - new_of_source * weight <= most then -- the first beyond the limit: hold recent ones too
      for _, at in ipairs({ losses.lost, losses.suspended }) do
        for _, recent in ipairs(recent_losses(at, now)) do
          local other, name = string.match(recent, '^([^@]*)@(.*)$')
          local there = router_named(name)
          if recent ~= member and get(there.lost_by, other) then
            held = held + hold_work_item(there, other, by_source, work_version, now)
          end
        end
      end
    end
    return by_source, held
  end
  local at_router = losses_within_hour(router.lost, now)
  local most_here = math.max(limits.router_services,
    limits.router_percent * redis.call('SCARD', router.services) / 100)
  if at_router > most_here then
    local held = hold_work_item(router, service, by_router, work_version, now)
    if at_router - new_at_router <= most_here then
      for _, other in ipairs(recent_losses(router.lost, now)) do
        if other ~= service and get(router.lost_by, other) then
          held = held + hold_work_item(router, other, by_router, work_version, now)
        end
      end
    end
    return by_router, held
  end
  return nil
end
