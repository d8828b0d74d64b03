-- include: _time _many _writes _router _work_items _in_flight _claims _services _feed _dead_letters
-- Ends the look at services: confirmed, postponed or given up. A mark is cleared or moved only if
-- its stamp is the one that was taken: whatever was marked during the pass stays marked.
-- ARGV: 1 router, 2 token, 3 stamp for what this marks, 4 JSON {generation: of the records that this
--         writes, services: [{service, stamp, generation, text?, do: confirm|postpone|give-up,
--         wait_ms?, gone?: no row is left here, awaiting_device?: key of the event that is reported again
--         when its device is online, awaiting_ms?: until the first check, rest_check?, wrote?, waiting?,
--         events: [[event, text, feed or false, whether it changed nothing], …], lines, letters,
--         counts: [[name, n], …]}, …]}
-- Returns {lease 1|0, {[1 done | 0 changed meanwhile], …}}. With the lease lost nothing is
-- cleared and every service is marked again.
local router = router_named(ARGV[1])
local lock_id = ARGV[2]
local now = now_ms()
local order = cjson.decode(ARGV[4])
local ids, results, again = {}, {}, {}
for i, s in ipairs(order.services) do
  ids[i] = s.service
  for _, said in ipairs(s.events) do
    again[#again + 1] = said[1]
  end
end
fetch_scores(router.due, ids)
if redis.call('GET', router.lock) ~= lock_id then
  for i, service in ipairs(ids) do
    add_work(router, service, 0, now, ARGV[3])
    results[i] = 0
  end
  return { 0, results }
end
fetch_services(ids)
fetch_remembered(again, now)
fetch(router.work_items, ids)
fetch(router.inflight, ids)
fetch_claims(router, ids, {})

local function conclude(s)
  local member = s.service .. '@' .. router.name
  local left
  if s.wrote then
    owe_check(router, lock_id, s.service)
  else
    left = clear_in_flight(router, lock_id, s.service)
  end
  local service = services[s.service]
  if s.text then
    put_record(service, order.generation, s.text)
  end
  local score = score_of(router.due, s.service)
  -- The brake holds it since it was taken: so it stays, and goes on to say so.
  local braked = s['do'] == 'postpone' and not score
  if s['do'] ~= 'postpone' then
    remove_work(router, s.service)
  elseif score then
    put_score(router.due, s.service, math.floor(score / SPAN) * SPAN + now + s.wait_ms)
  end
  if s.rest_check then
    rest_check(router, s.service)
  end
  if not braked then
    put(router.waiting, s.service, s.waiting or false)
  end
  if s['do'] == 'confirm' then
    end_check(router, s.service, left)
    drop_vacating(router, s.service)
    if s.gone then
      later('SREM', router.services, s.service)
    end
    later('HDEL', key.dead_letters, member)
    later('ZREM', key.dead_letters_by_time, member)
  end
  if s.awaiting_device then
    later('ZADD', key.awaiting_device, whole(now + s.awaiting_ms), member)
    later('HSET', key.awaiting_events, member, s.awaiting_device)
  elseif s.gone then
    later('ZREM', key.awaiting_device, member)
    later('HDEL', key.awaiting_events, member)
  end
  for _, said in ipairs(s.events) do
    say(service.record and service, said, now)
  end
  for _, each in ipairs(s.counts) do
    count(key.counters, each[1], each[2])
  end
  if #s.lines > 0 then
    note_lines(s.service, s.lines)
  end
  add_dead_letters(s.dead_letters, now)
end

for i, s in ipairs(order.services) do
  if services[s.service].generation ~= s.generation or get(router.work_items, s.service) ~= s.work_version then
    results[i] = 0
    owe_check(router, lock_id, s.service)
  else
    results[i] = 1
    conclude(s)
  end
end
return { 1, results }
