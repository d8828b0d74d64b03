-- include: _time _many _writes _router _work_items _notified _notify _claims _services _feed _dead_letters _brake _sources
-- Commits services: record, claims, marks, outcomes, history, journal; all of a service or none.
-- ARGV: 1 JSON {stamp, generation: of the records that this writes, now_ms: by which ids are
--         remembered, limits?: of the brake, alarm: see `_sources`, lane?: the flag of which goes when
--         nothing is due in its journal, commits: [{service, generation?, text?, cancelled?,
--         places: [router, …], claims: [[router, [[claim, scope], …]], …],
--         marks: [[router, priority], …], cut?: {router?, source, is_suspension, new}: to the brake,
--         owned: [[source, by how many services], …], names?: routers that it comes to name,
--         due?: next scheduled event (ms), 0 none, lines?, letters: [[id, text, group or ""], …],
--         events: [{key, lane?, count, said?: first | brief, text?: what is not `said` is told in the
--         feed alone, feed?, refused?: source, content?: see `remember`}, …],
--         outcomes: [[event, text, feed or false], …], counts: [[name, n], …],
--         heard: [[source, events, superseded], …]}, …]}
-- Returns {[1 committed | 0 another was faster], …}, {hold, marks that the brake took, …}, how many
--   marks it let go, {source, 1 up | -1 down, recent events, recent superseded, …}: alarms that go up
--   or down, 1 nothing is due in that journal.
local order = cjson.decode(ARGV[1])
local now = now_ms()
local beside = key.beside(whole(math.floor(now / SEEN_MS)))

-- What the loop below looks at, at once.
local function fetch_wanted()
  local wants, queued, names, ids, again = {}, {}, {}, {}, {}
  for _, c in ipairs(order.commits) do
    if c.generation then
      ids[#ids + 1] = c.service
    end
    for _, each in ipairs(c.claims) do
      local wanted = known_of(wants, each[1])
      wanted.services, wanted.claims = wanted.services or {}, wanted.claims or {}
      table.insert(wanted.services, c.service)
      for _, claim in ipairs(each[2]) do
        table.insert(wanted.claims, claim)
      end
    end
    for _, each in ipairs(c.work_items) do
      table.insert(known_of(queued, each[1]), c.service)
    end
    for _, name in ipairs(c.names or {}) do
      names[#names + 1] = name
    end
    for _, said in ipairs(c.outcomes) do
      again[#again + 1] = said[1]
    end
  end
  fetch_remembered(again, now)
  fetch_services(ids)
  fetch(key.fleet.aliases, names)
  for name, wanted in pairs(wants) do
    fetch_claims(router_named(name), wanted.services, wanted.claims)
  end
  for name, some in pairs(queued) do
    fetch_scores(router_named(name).due, some)
  end
end

-- `service`: whose event it is; nil: of none that is kept.
local function commit_event(event, service)
  if event.lane then
    local journal = key.journal(event.lane)
    later('HDEL', journal.body, event.key)
    later('ZREM', journal.due, event.key)
  end
  later('HDEL', key.attempts, event.key)
  count(key.counters, event.count, 1)
  local before
  if event.refused then
    before = note_refused(event.refused, event.key, event.text)
  elseif event.said == 'brief' then
    before = remember_briefly(event.key, event.text, now)
  elseif event.said and service then
    before = put_outcome(service, event.key, event.text)
  elseif event.said then
    before = get(beside, event.key)
    put(beside, event.key, event.text)
    expire_later(beside, SEEN_S, true)
  end
  if event.text and event.feed and is_new(before, event.text) then
    append(event.feed, event.text, now)
  end
  if event.content then
    remember(event.key, event.content, service and service.id or '', order.now_ms)
  end
end

local results, heard, touched, braked = {}, {}, {}, {}

-- Marks of a service that loses nothing any more are let through; one that does may be held. A loss
-- that was written before it was undone counts still, and its service is not held for it afterwards.
local function ask_brake(c)
  for _, name in ipairs(c.places) do
    if name ~= c.cut.router then
      local router = router_named(name)
      if approve(router, c.service, now, order.work_version) then
        uncount(router, c.service)
        touched[name] = true
      else
        put(router.lost_by, c.service, false)
      end
    end
  end
  if c.cut.router then
    local scope, taken = brake(c.cut, order.limits, router_named(c.cut.router), c.service,
      order.work_version, now)
    if scope and taken > 0 then
      braked[#braked + 1] = scope
      braked[#braked + 1] = taken
    end
  end
end

-- Whoever took an event before a router was renamed would bring its former name back.
local function names_a_former_one(c)
  for _, name in ipairs(c.names or {}) do
    if get(key.fleet.aliases, name) then
      return true
    end
  end
  return false
end

local function commit_record(c, service)
  local is_new = not service.record
  put_record(service, order.generation, c.text)
  if c.cancelled then
    later('ZADD', key.tombstones, whole(now), c.service)
  elseif not is_new then
    later('ZREM', key.tombstones, c.service)
  end
end

local function commit_service(c, service)
  if c.text then
    commit_record(c, service)
  end
  if service and not service.record then -- nothing is kept of it
    service = nil
  end
  if c.due and c.due > 0 then
    later('ZADD', key.schedule, whole(c.due), c.service)
  elseif c.due then
    later('ZREM', key.schedule, c.service)
  end
  for _, name in ipairs(c.places) do
    later('SADD', router_named(name).services, c.service)
  end
  for _, each in ipairs(c.ownership_changes) do
    count(key.source(each[1]), 'services', each[2])
  end
  for _, each in ipairs(c.work_items) do
    add_work(router_named(each[1]), c.service, each[2], now, order.work_version)
    if touched[each[1]] ~= true then
      touched[each[1]] = each[2] < 2 or 'bulk'
    end
  end
  if c.cut then -- before the claims: who is held itself lets nobody through
    ask_brake(c)
  end
  for _, each in ipairs(c.claims) do
    local router = router_named(each[1])
    if weaken(router, c.service, each[2], order.work_version, now) then
      touched[each[1]] = true
    end
    request(router, c.service, each[2], order.work_version, now)
  end
  for _, said in ipairs(c.outcomes) do
    say(service, said, now)
  end
  for _, event in ipairs(c.events) do
    commit_event(event, service)
  end
  for _, each in ipairs(c.heard) do
    local so_far = heard[each[1]] or { 0, 0 }
    heard[each[1]] = { so_far[1] + each[2], so_far[2] + each[3] }
  end
  for _, each in ipairs(c.counts) do
    count(key.counters, each[1], each[2])
  end
  if c.lines then
    note_lines(c.service, c.lines)
  end
  add_dead_letters(c.dead_letters, now)
end

fetch_wanted()
for i, c in ipairs(order.commits) do
  local service = c.generation and services[c.service]
  if service and (service.generation ~= c.generation or names_a_former_one(c)) then
    results[i] = 0
  else
    results[i] = 1
    commit_service(c, service)
  end
end
local alarms = {}
for name, counts in pairs(heard) do
  local crossed, recent, late = count_source(name, counts[1], counts[2], order.alarm, now)
  if crossed ~= 0 then
    for _, each in ipairs({ name, crossed, recent, late }) do
      alarms[#alarms + 1] = each
    end
  end
end
local drained = false
if order.lane then
  write() -- what leaves the journal is due again where this worker was slow
  local journal = key.journal(order.lane)
  drained = #redis.call('ZRANGEBYSCORE', journal.due, '-inf', whole(now), 'LIMIT', 0, 1) == 0
  if drained then
    redis.call('DEL', journal.notified)
  end
end
notify(touched)
return { results, braked, approved_count, alarms, drained and 1 or 0 }
