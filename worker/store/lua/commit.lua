-- include: _time _kinds _fields _router _marks _call _ring _claims _feed _events _letters _brake _sources
-- Commits services: record, claims, marks, outcomes, history, journal; all of a service or none.
-- KEYS: 1 routers due, 2 attempts, 3 counters, 4 dead letters, 5 dead letters by time,
--       6 seen (this period), 7 8 journal body and due of lane 1, 9 10 of lane 2, 11 12 rung flag
--       of each lane, then router blocks and the keys that ARGV[1] names by index
-- ARGV: 1 JSON {stamp, generation: of the records that this writes, outcome_prefix,
--         letters_prefix, letters_gone, tombstones, schedule, feed_last, feed_gone, expected, aliases: former names of routers,
--         router_keys: the keys of any router as [before its name, after it], or [key],
--         limits?: of the brake, routers: [[name, first key], …], sources: [counts of a source, …],
--         alarm: see `_sources`, lane?: the flag of which goes when nothing is due in its journal,
--         commits: [{record?, generation?, text?, cancelled?, service, places: [router, …],
--         claims: [[router, [[key, scope], …]], …], marks: [[router, priority], …],
--         cut?: {router?, source, is_suspension, new, lost, suspended, counts}: to the brake,
--         owned: [[counts of a source, by how many services], …],
--         names?: routers that it comes to name, due?: next scheduled event (ms), 0 none, history?,
--         lines?, recent?, letters: [[id, text, group or ""], …],
--         events: [{key, lane, count, outcome?, text?: without an outcome it is told in the feed
--         alone, feed?, listed?, refused?: list of those of its source, seconds?, seen?: [field,
--         value]}, …],
--         outcomes: [[key, text, feed or 0], …], counts: [[name, n], …],
--         heard: [[source, events, superseded], …]}, …]}
-- Returns {[1 committed | 0 another was faster], …}, {hold, marks that the brake took, …}, how many
--   marks it let go, {source, 1 up | -1 down, recent events, recent superseded, …}: alarms that go up
--   or down, 1 nothing is due in that journal.
local order = cjson.decode(ARGV[1])
local now = now_ms()
must_be('zset', KEYS[1], KEYS[5], KEYS[8], KEYS[10], KEYS[order.tombstones], KEYS[order.schedule])
must_be('hash', KEYS[2], KEYS[3], KEYS[4], KEYS[6], KEYS[7], KEYS[9], KEYS[order.expected])
must_be('hash', KEYS[order.aliases])
must_be('string', KEYS[order.feed_last])
must_be('hash', KEYS[order.feed_gone])
must_be('string', KEYS[11], KEYS[12])
for _, at in ipairs(order.sources) do
  must_be('hash', KEYS[at])
end
local letter_groups = { prefix = order.letters_prefix, gone = KEYS[order.letters_gone] }
local feeds = { KEYS[order.feed_last], KEYS[order.feed_gone] }
local routers = {}
for i, each in ipairs(order.routers) do
  routers[i] = router_at(each[1], each[2])
  routers[i].listed = math.huge
end
for _, c in ipairs(order.commits) do
  must_be('string', c.record and KEYS[c.record])
  must_be('list', c.recent and KEYS[c.recent])
  must_be('hash', #c.letters > 0 and KEYS[order.letters_gone])
  must_be('list', c.history and KEYS[c.history])
  if c.cut and c.cut.router then
    must_be('zset', KEYS[c.cut.lost], KEYS[c.cut.suspended])
    must_be('hash', KEYS[c.cut.counts])
  end
  for _, each in ipairs(c.owned) do
    must_be('hash', KEYS[each[1]])
  end
  for _, event in ipairs(c.events) do
    must_be('string', event.outcome and KEYS[event.outcome])
    must_be('stream', event.feed and KEYS[event.feed])
    must_be('list', event.refused and KEYS[event.refused])
  end
  for _, said in ipairs(c.outcomes) do
    must_be('string', KEYS[said[1]])
    must_be('stream', KEYS[said[3]])
  end
end

-- What nothing below reads: written at the end, all at once.
local folded, attempted, seen, sums = { {}, {} }, {}, {}, {}
local texts, alive, unscheduled = {}, {}, {}

local function commit_event(event, recent)
  if event.lane > 0 then
    local of_lane = folded[event.lane]
    of_lane[#of_lane + 1] = event.key
  end
  attempted[#attempted + 1] = event.key
  add_up(sums, { { event.count, 1 } })
  if event.outcome then
    say(KEYS[event.outcome], event.text, event.seconds, KEYS[event.feed], feeds, now)
  elseif event.text and event.feed then
    append(KEYS[event.feed], feeds, event.text, now)
  end
  if event.seen then
    seen[#seen + 1] = event.seen[1]
    seen[#seen + 1] = event.seen[2]
  end
  if event.refused then
    note_refused(KEYS[event.refused], event.key, order.outcome_prefix)
  elseif recent and event.outcome and event.listed then
    note_recent(recent, event.key, order.outcome_prefix)
  end
end

local known = {}
for _, each in ipairs(routers) do
  known[each.name] = each
end

local function router_named(name)
  if not known[name] then
    local keys = {}
    for i, parts in ipairs(order.router_keys) do
      keys[i] = parts[2] and parts[1] .. name .. parts[2] or parts[1]
    end
    known[name] = router_of(name, keys, 1)
  end
  return known[name]
end

-- The claims that the loop below looks at, at once.
local function fetch_wanted()
  local services, wants = {}, {}
  for _, c in ipairs(order.commits) do
    for _, each in ipairs(c.claims) do
      services[each[1]] = services[each[1]] or {}
      wants[each[1]] = wants[each[1]] or {}
      table.insert(services[each[1]], c.service)
      for _, claim in ipairs(each[2]) do
        table.insert(wants[each[1]], claim)
      end
    end
  end
  for at, some in pairs(services) do
    fetch_claims(routers[at], some, wants[at])
  end
end

local results = {}
local heard = {}
local touched = {}
local braked = {}

-- Marks of a service that loses nothing any more are let through; one that does may be held. A loss
-- that was written before it was undone counts still, and its service is not held for it afterwards.
local function ask_brake(c)
  for _, at in ipairs(c.places) do
    if at ~= c.cut.router then
      if let_through(routers[at], c.service, now, order.stamp, KEYS[1]) then
        uncount(routers[at], c.service)
        touched[at] = true
      else
        if not routers[at].nobody_waits then -- else it had no losses either
          redis.call('HDEL', routers[at].lost_by, c.service)
        end
      end
    end
  end
  if c.cut.router then
    local hold, taken = brake(c.cut, order.limits, routers[c.cut.router], c.service, order.stamp,
      now, KEYS[order.expected], router_named)
    if hold and taken > 0 then
      braked[#braked + 1] = hold
      braked[#braked + 1] = taken
    end
  end
end

-- Whoever took an event before a router was renamed would bring its former name back.
local function names_a_former_one(c)
  for _, name in ipairs(c.names or {}) do
    if redis.call('HEXISTS', KEYS[order.aliases], name) == 1 then
      return true
    end
  end
  return false
end

local places = {}
for _, c in ipairs(order.commits) do
  places[#places + 1] = c.record
end
local generations = generations_at(places)
fetch_wanted()
for i, c in ipairs(order.commits) do
  local current = c.record and generations[KEYS[c.record]] or 0
  if c.record and (current ~= c.generation or names_a_former_one(c)) then
    results[i] = 0
  else
    results[i] = 1
    if c.text then
      texts[#texts + 1] = KEYS[c.record]
      texts[#texts + 1] = whole(order.generation) .. '|' .. c.text
      generations[KEYS[c.record]] = order.generation
      if c.cancelled then
        redis.call('ZADD', KEYS[order.tombstones], whole(now), c.service)
      else
        alive[#alive + 1] = c.service
      end
    end
    if c.due and c.due > 0 then
      redis.call('ZADD', KEYS[order.schedule], whole(c.due), c.service)
    elseif c.due then
      unscheduled[#unscheduled + 1] = c.service
    end
    for _, at in ipairs(c.places) do
      redis.call('SADD', routers[at].services, c.service)
    end
    for _, each in ipairs(c.owned) do
      redis.call('HINCRBY', KEYS[each[1]], 'services', each[2])
    end
    for _, each in ipairs(c.marks) do
      mark(routers[each[1]], c.service, each[2], now, order.stamp, KEYS[1])
      if touched[each[1]] ~= true then
        touched[each[1]] = each[2] < 2 or 'bulk'
      end
    end
    if c.cut then -- before the claims: who is held itself lets nobody through
      ask_brake(c)
    end
    for _, each in ipairs(c.claims) do
      local router = routers[each[1]]
      if weaken(router, c.service, each[2], order.stamp, now, KEYS[1]) then
        touched[each[1]] = true
      end
      request(router, c.service, each[2], order.stamp, now, KEYS[1])
    end
    for _, said in ipairs(c.outcomes) do
      say(KEYS[said[1]], said[2], nil, KEYS[said[3]], feeds, now)
    end
    for _, event in ipairs(c.events) do
      commit_event(event, c.recent and KEYS[c.recent])
    end
    for _, each in ipairs(c.heard) do
      local so_far = heard[each[1]] or { 0, 0 }
      heard[each[1]] = { so_far[1] + each[2], so_far[2] + each[3] }
    end
    add_up(sums, c.counts)
    if c.history then
      note_lines(KEYS[c.history], c.lines)
    end
    bury(KEYS[4], KEYS[5], c.letters, now, letter_groups)
  end
end
for first = 1, #texts, MANY do
  redis.call('MSET', unpack(texts, first, math.min(first + MANY - 1, #texts)))
end
for lane, keys in ipairs(folded) do
  call_many('HDEL', KEYS[5 + 2 * lane], keys)
  call_many('ZREM', KEYS[6 + 2 * lane], keys)
end
call_many('HDEL', KEYS[2], attempted)
call_many('HSET', KEYS[6], seen)
call_many('ZREM', KEYS[order.tombstones], alive)
call_many('ZREM', KEYS[order.schedule], unscheduled)
count_up(KEYS[3], sums)
if redis.call('TTL', KEYS[6]) == -1 then
  redis.call('EXPIRE', KEYS[6], SEEN_S)
end
local alarms = {}
for at, count in pairs(heard) do
  local crossed, recent, late = count_source(KEYS[order.sources[at]], count[1], count[2],
    order.alarm, now)
  if crossed ~= 0 then
    for _, each in ipairs({ at, crossed, recent, late }) do
      alarms[#alarms + 1] = each
    end
  end
end
local drained = order.lane and #redis.call('ZRANGEBYSCORE', KEYS[6 + 2 * order.lane], '-inf',
  whole(now), 'LIMIT', 0, 1) == 0
if drained then
  redis.call('DEL', KEYS[10 + order.lane])
end
ring_touched(routers, touched, KEYS[1])
return { results, braked, let_through_count, alarms, drained and 1 or 0 }
