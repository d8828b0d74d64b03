-- Commits services: records, claims, work items, outcomes, history, journal. All of a service or none.
-- ARGV: 1 JSON {work_version, generation: of the records written, now_ms, alarm: see `_sources`,
--         limits: of the brake or absent, lane: whose journal may be drained, or absent,
--         services: [`ServiceCommit` as `commits.py` writes it, …]}
-- Returns {1 committed | 0 another worker was faster, …}, {scope, work items that the brake holds, …},
--   work items that it holds no longer, {source, 1 alarm begins | -1 ends, recent events, recent
--   superseded, …}, 1 if nothing is due in the journal of `lane`.
local batch = cjson.decode(ARGV[1])
local now = now_ms()
local beside = key.beside(whole(math.floor(now / SEEN_MS)))
local results, source_counts, touched, braked = {}, {}, {}, {}
local NONE = {} -- for fields that were left out

-- Reads at once what the commits below need.
local function fetch_all()
  local ids, names, outcomes, values, queued, claimed = {}, {}, {}, {}, {}, {}
  for _, commit in ipairs(batch.services) do
    if commit.service_id ~= '' then
      ids[#ids + 1] = commit.service_id
    end
    append_all(names, commit.names or NONE)
    for name, claims in pairs(commit.claims or NONE) do
      local there = table_in(claimed, name)
      append_all(table_in(there, 'services'), { commit.service_id })
      append_all(table_in(there, 'claims'), claims)
    end
    for name in pairs(commit.work_items or NONE) do
      append_all(table_in(queued, name), { commit.service_id })
    end
    append_all(outcomes, commit.outcomes or NONE)
    for _, taken in ipairs(commit.take or NONE) do
      values[#values + 1] = taken[1]
    end
  end
  local texts, rare = { key.feed_last }, { key.braked }
  append_all(texts, flags_of(queued))
  for name in pairs(claimed) do
    append_all(rare, { router_named(name).waiters, router_named(name).lost_by })
  end
  fetch_services(ids, texts, rare)
  fetch(key.assigned, values)
  fetch_remembered(outcomes, now)
  fetch(key.fleet.aliases, names)
  for name, there in pairs(claimed) do
    fetch_claims(router_named(name), there.services, there.claims)
  end
  for name, services in pairs(queued) do
    fetch(router_named(name).due, services, SCORES)
  end
end

-- Stores the outcome of an event that came; returns the one before. `service`: nil if it has none.
local function store_outcome(event, service)
  if event.refused then
    return put_refused(event.refused, event.key, event.outcome)
  elseif not event.outcome or event.in_feed_only then
    return nil
  elseif event.unlisted then
    return remember_briefly(event.key, event.outcome, now)
  elseif service then
    return put_outcome(service, event.key, event.outcome)
  end
  local before = get(beside, event.key)
  if before and state_in(event.outcome) == 'accepted' and state_in(before) ~= 'accepted' then
    event.outcome = nil -- another worker had the other parts of the manifest meanwhile
    return before
  end
  put(beside, event.key, event.outcome)
  expire_later(beside, SEEN_S, true)
  return before
end

local function commit_event(event, service)
  if event.lane then
    local journal = key.journal(event.lane)
    later('HDEL', journal.body, event.key)
    later('ZREM', journal.due, event.key)
  end
  later('HDEL', key.attempts, event.key)
  if event.count then
    count(key.counters, event.count, 1)
  end
  local before = store_outcome(event, service)
  if event.outcome and event.feed and is_new(before, event.outcome) then
    append(event.feed, event.outcome, now)
  end
  local is_listed = event.outcome and not event.unlisted and not event.in_feed_only and not event.refused
  local content = event.content_hash or (is_listed and '')
  if content then
    remember(event.key, content, service and service.id or '', batch.now_ms)
  end
end

-- Approves held work items of a service that loses nothing any more; a service that does may be held.
-- A loss that was written before it was undone still counts, and its service is not held for it later.
local function ask_brake(commit)
  local id, cut = commit.service_id, commit.cut
  for _, name in ipairs(commit.routers or NONE) do
    if name ~= cut.router then
      local router = router_named(name)
      if approve(router, id, now, batch.work_version) then
        uncount(router, id)
        touched[name] = true
      else
        put(router.lost_by, id, false)
      end
    end
  end
  if cut.router then
    local scope, held = brake(cut, batch.limits, router_named(cut.router), id, batch.work_version, now)
    if scope and held > 0 then
      append_all(braked, { scope, held })
    end
  end
end

-- Whether a router was renamed since its event was taken: the commit would bring its old name back.
local function names_a_former_one(commit)
  for _, name in ipairs(commit.names or NONE) do
    if get(key.fleet.aliases, name) then
      return true
    end
  end
  return false
end

-- Whether a value that the service is to get went to another meanwhile: the service is folded again.
local function is_taken(commit)
  for _, taken in ipairs(commit.take or NONE) do
    if not may_take(taken[1], commit.service_id, taken[3] == 1, now) then
      return true
    end
  end
  return false
end

local function commit_pools(commit, id)
  for _, given in ipairs(commit.give_back or NONE) do
    give_back(given[1], given[2], id, given[3])
  end
  for _, taken in ipairs(commit.take or NONE) do
    set_holder(taken[1], taken[2], id, 0)
  end
  for _, waits in ipairs(commit.pool_waits or NONE) do
    set_waiting(waits[1], id, waits[2] == 1, now)
  end
end

local function commit_record(commit, service)
  local id, is_new = commit.service_id, not service.record
  put_record(service, batch.generation, commit.record)
  if commit.is_cancelled then
    later('ZADD', key.tombstones, whole(now), id)
  elseif not is_new then
    later('ZREM', key.tombstones, id)
  end
  for _, name in ipairs(commit.routers) do
    later('SADD', router_named(name).services, id)
  end
end

local function commit_service(commit, service)
  local id = commit.service_id
  if commit.record then
    commit_record(commit, service)
    commit_pools(commit, id)
  end
  if service and not service.record then -- there is no record to list its events
    service = nil
  end
  if commit.due_ms and commit.due_ms > 0 then
    later('ZADD', key.schedule, whole(commit.due_ms), id)
  elseif commit.due_ms then
    later('ZREM', key.schedule, id)
  end
  for _, change in ipairs(commit.calendar or NONE) do
    local calendar, at, member = key.calendar(change[1]), change[2], id .. '|' .. change[3]
    later(at > 0 and 'ZADD' or 'ZREM', calendar, at > 0 and whole(at) or member, at > 0 and member or nil)
  end
  for source, change in pairs(commit.ownership_changes or NONE) do
    count_owned(source, change)
  end
  for name, priority in pairs(commit.work_items or NONE) do
    add_work(router_named(name), id, priority, now, batch.work_version)
    if touched[name] ~= true then
      touched[name] = priority < 2 or 'bulk'
    end
  end
  if commit.cut then -- before the claims: a service that is held itself approves no other
    ask_brake(commit)
  end
  for name, claims in pairs(commit.claims or NONE) do
    local router = router_named(name)
    local stands = commit.cut and commit.cut.router == name and commit.cut.stands or nil
    if vacate(router, id, claims, batch.work_version, now, stands) then
      touched[name] = true
    end
    request(router, id, claims, batch.work_version, now)
  end
  for _, outcome in ipairs(commit.outcomes or NONE) do
    set_outcome(service, outcome, now)
  end
  for _, event in ipairs(commit.events or NONE) do
    commit_event(event, service)
  end
  for source, counts in pairs(commit.source_counts or NONE) do
    local sum = source_counts[source] or { 0, 0 }
    source_counts[source] = { sum[1] + counts[1], sum[2] + counts[2] }
  end
  for name, by in pairs(commit.counts or NONE) do
    count(key.counters, name, by)
  end
  add_lines(id, commit.lines or NONE)
  add_dead_letters(commit.dead_letters or NONE, now)
end

fetch_all()
for i, c in ipairs(batch.services) do
  local service = services[c.service_id]
  if service and (service.generation ~= c.generation or is_taken(c) or names_a_former_one(c)) then
    results[i] = 0
  else
    results[i] = 1
    commit_service(c, service)
  end
end
local alarms = {}
for source, counts in pairs(source_counts) do
  local crossed, recent, late = count_source(source, counts[1], counts[2], batch.alarm, now)
  if crossed ~= 0 then
    append_all(alarms, { source, crossed, recent, late })
  end
end
local drained = false
if batch.lane then
  write_services()
  write() -- an event that leaves the journal would be due again if this worker was slow
  local journal = key.journal(batch.lane)
  drained = #redis.call('ZRANGEBYSCORE', journal.due, '-inf', whole(now), 'LIMIT', 0, 1) == 0
  if drained then
    redis.call('DEL', journal.notified)
  end
end
notify(touched)
return { results, braked, approved_count, alarms, drained and 1 or 0 }
