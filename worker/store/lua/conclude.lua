-- Concludes batch items: confirmed, postponed or failed. A work item is removed or moved only if its
-- work version is the one that was taken: what was added during the pass stays.
-- ARGV: 1 router, 2 lock id, 3 work version for what this adds, 4 JSON {generation: of the records
--         written, services: [`Conclusion` as `batches.py` writes it, …]}
-- Returns {1 locked | 0 lock lost, {1 concluded | 0 changed meanwhile, …}}. With the lock lost nothing
-- is concluded, and work is added for every service, besides those of which Redis lost the record: their
-- rows stay until their events come again.
local router = router_named(ARGV[1])
local lock_id = ARGV[2]
local now = now_ms()
local batch = cjson.decode(ARGV[4])
local ids, members, results, outcomes, vacating = {}, {}, {}, {}, {}
local NONE = {} -- for fields that were left out
for i, conclusion in ipairs(batch.services) do
  ids[i] = conclusion.service_id
  members[i] = ids[i] .. '@' .. router.name
  append_all(outcomes, conclusion.outcomes or NONE)
  append_all(vacating, { conclusion.may_vacate and ids[i] })
end
fetch(router.due, ids, SCORES)
fetch_services(ids, { router.lock, key.feed_last }, {})
if get(TEXT, router.lock) ~= lock_id then
  for i, id in ipairs(ids) do
    if services[id].record then
      add_work(router, id, 0, now, ARGV[3])
    end
    results[i] = 0
  end
  return { 0, results }
end
fetch_remembered(outcomes, now)
fetch(router.work_items, ids)
fetch(router.inflight, ids)
fetch_claims(router, vacating, {})
fetch(key.dead_letters_by_time, members, SCORES)

local function conclude(c)
  local id, service, is_postponed = c.service_id, services[c.service_id], c.result == 'postponed'
  local member = id .. '@' .. router.name
  local left
  if c.wrote then
    owe_check(router, lock_id, id)
  else
    left = clear_in_flight(router, lock_id, id)
  end
  if c.record then
    put_record(service, batch.generation, c.record)
  end
  for _, left in ipairs(c.quarantine or NONE) do
    begin_quarantine(left[1], left[2], id, now + left[3])
  end
  local score = get(router.due, id, SCORES)
  if not is_postponed then
    remove_work(router, id)
  elseif score then
    put(router.due, id, math.floor(score / SPAN) * SPAN + now + (c.wait_ms or 0), SCORES)
  end
  if c.defer_check then
    defer_check(router, id)
  end
  -- without a score the brake has held it since it was taken, and says so
  if score and (c.waiting or c.was_waiting) or not (score or is_postponed) then
    put(router.waiting, id, c.waiting or false)
  end
  if c.result == 'confirmed' then
    end_check(router, id, left)
    if c.may_vacate then
      drop_vacating(router, id)
    end
    if c.gone then
      later('SREM', router.services, id)
    end
    if get(key.dead_letters_by_time, member, SCORES) then
      later('HDEL', key.dead_letters, member)
      later('ZREM', key.dead_letters_by_time, member)
    end
  end
  if c.watch then -- it replaces an earlier one
    later('ZADD', key.watches_due, whole(now + c.watch_ms), member)
    later('HSET', key.watches, member, c.watch)
  elseif c.gone then
    later('ZREM', key.watches_due, member)
    later('HDEL', key.watches, member)
  end
  for _, outcome in ipairs(c.outcomes or NONE) do
    set_outcome(service.record and service, outcome, now)
  end
  for name, by in pairs(c.counts or NONE) do
    count(key.counters, name, by)
  end
  add_lines(id, c.lines or NONE)
  add_dead_letters(c.dead_letters or NONE, now)
end

for i, c in ipairs(batch.services) do
  if services[c.service_id].generation ~= c.generation
    or get(router.work_items, c.service_id) ~= c.work_version then
    results[i] = 0
    owe_check(router, lock_id, c.service_id)
  else
    results[i] = 1
    conclude(c)
  end
end
return { 1, results }
