-- The brake. Losses of working entries are counted in sliding hours, by router and by the source of
-- the event; from the one on that passes a limit marks are held: out of the due marks, listed in one
-- hash, `service@router` -> {hold, source, at_ms, stamp, priority} as JSON. `scope` names the limit:
-- `router:NAME` or `source:URI`. The stamp is renewed by whatever is said of the service.
local HOUR_MS = 3600000
local RECENT_MS = 60000
local COUNTED_S = 7200

local function put_braked(router, service, entry)
  any_braked = true
  put(key.braked, service .. '@' .. router.name, cjson.encode(entry))
end

local function braked_at(router, service)
  local text = is_any_braked() and get(key.braked, service .. '@' .. router.name)
  return text and cjson.decode(text)
end

-- Holds the mark of a service, if it has one; one held already comes under the wider `scope`.
local function hold_work_item(router, service, scope, work_version, now)
  local entry = braked_at(router, service)
  local score = score_of(router.due, service)
  if not (entry or score) then
    return 0
  end
  if not entry then
    entry = { at_ms = now, priority = math.floor(score / SPAN) }
    entry.source = get(router.lost_by, service) or ''
    put_score(router.due, service, false)
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

local function count_loss(losses, member, now)
  local added = redis.call('ZADD', losses, whole(now), member)
  redis.call('EXPIRE', losses, COUNTED_S)
  return added
end

local function within_hour(losses, now)
  redis.call('ZREMRANGEBYSCORE', losses, '-inf', whole(now - HOUR_MS))
  return redis.call('ZCARD', losses)
end

-- Who took an entry away is remembered as long as its loss counts.
local function forget_old(router, now)
  local before = whole(now - HOUR_MS)
  for _, service in ipairs(redis.call('ZRANGEBYSCORE', router.lost, '-inf', before)) do
    put(router.lost_by, service, false)
  end
  redis.call('ZREMRANGEBYSCORE', router.lost, '-inf', before)
end

-- Takes one off what was announced for `scope`; false when nothing, or no more, was.
local function was_announced(scope, now)
  local text = get(key.announced, scope)
  local found = text and cjson.decode(text)
  if not found or found.until_ms <= now or found.from_ms > now or found.used >= found.services then
    return false
  end
  found.used = found.used + 1
  put(key.announced, scope, cjson.encode(found))
  return true
end

-- What a commit says to the brake (`cut` of its order); returns the hold and how many it took, or nil.
local function brake(cut, limits, router, service, work_version, now)
  local entry = braked_at(router, service)
  if entry then
    entry.work_version = work_version
    put_braked(router, service, entry)
    return nil
  end
  if not (cut.new and limits) then
    return nil
  end
  if was_announced('source:' .. cut.source, now) or was_announced('router:' .. router.name, now) then
    return nil
  end
  write() -- what is counted below, others of this commit may have changed
  local losses = key.losses(cut.source)
  forget_old(router, now)
  local new_here = count_loss(router.lost, service, now)
  put(router.lost_by, service, cut.source)
  expire_later(router.lost_by, COUNTED_S)
  local new = count_loss(cut.is_suspension and losses.suspended or losses.lost,
    service .. '@' .. router.name, now)
  local weight = cut.is_suspension and 1 / limits.source_suspensions or 1
  local of_source = within_hour(losses.lost, now)
    + within_hour(losses.suspended, now) / limits.source_suspensions
  local ownership_changes = redis.call('HGET', key.source(cut.source), 'services')
  local most = math.max(limits.source_services, limits.source_percent * tonumber(ownership_changes or 0) / 100)
  if of_source > most then
    local scope = 'source:' .. cut.source
    local taken = hold_work_item(router, service, scope, work_version, now)
    if of_source - new * weight <= most then
      for _, each in ipairs({ losses.lost, losses.suspended }) do
        for _, member in ipairs(redis.call('ZRANGEBYSCORE', each, whole(now - RECENT_MS), '+inf')) do
          local other, name = string.match(member, '^([^@]*)@(.*)$')
          local there = router_named(name)
          if member ~= service .. '@' .. router.name and get(there.lost_by, other) then
            taken = taken + hold_work_item(there, other, scope, work_version, now)
          end
        end
      end
    end
    return scope, taken
  end
  local here = within_hour(router.lost, now)
  local most_here = math.max(limits.router_services,
    limits.router_percent * redis.call('SCARD', router.services) / 100)
  if here > most_here then
    local scope = 'router:' .. router.name
    local taken = hold_work_item(router, service, scope, work_version, now)
    if here - new_here <= most_here then
      for _, other in ipairs(redis.call('ZRANGEBYSCORE', router.lost, whole(now - RECENT_MS),
        '+inf')) do
        if other ~= service and get(router.lost_by, other) then
          taken = taken + hold_work_item(router, other, scope, work_version, now)
        end
      end
    end
    return scope, taken
  end
  return nil
end
