-- include: _time _kinds _fields _router _marks _notes _claims _feed _events _letters
-- Ends the look at services: confirmed, postponed or given up. A mark is cleared or moved only if
-- its stamp is the one that was taken: whatever was marked during the pass stays marked.
-- KEYS: 1 routers due, 2.. router block, then (first = 2 + block) counters, dead letters, dead
--       letters by time, last id of the feeds, what went of them, services not seen
--       in use yet, the events of which that would be said, then the keys that ARGV[4] names by
--       index
-- ARGV: 1 router, 2 token, 3 stamp for what this marks, 4 JSON {first, generation: of the
--         records that this writes, services: [{
--         service, stamp, record, generation, text?, do: confirm|postpone|give-up, wait_ms?,
--         gone?: no row is left here, unseen?: key of the event of which it may be said that it
--         is in use, unseen_ms?: when to look first, rest_note?, wrote?, waiting?,
--         events: [[outcome key, text, feed or 0, seconds or 0], …], history?, lines, letters,
--         counts: [[name, n], …]}, …]}
-- Returns {lease 1|0, {[1 done | 0 changed meanwhile], …}}. With the lease lost nothing is
-- cleared and every service is marked again.
local router = router_at(ARGV[1], 2)
local now = now_ms()
local order = cjson.decode(ARGV[4])
local first = order.first
must_be('hash', KEYS[first], KEYS[first + 1])
must_be('zset', KEYS[1], KEYS[first + 2])
must_be('string', KEYS[first + 3])
must_be('hash', KEYS[first + 4], KEYS[first + 6])
must_be('zset', KEYS[first + 5])
local feeds = { KEYS[first + 3], KEYS[first + 4] }
for _, s in ipairs(order.services) do
  must_be('string', KEYS[s.record])
  must_be('list', s.history and KEYS[s.history])
  for _, said in ipairs(s.events) do
    must_be('string', KEYS[said[1]])
    must_be('stream', KEYS[said[3]])
  end
end
local results = {}
-- What nothing below reads: written at the end, all at once.
local texts, ended, unseen, gone, sums = {}, {}, {}, {}, {}
if redis.call('GET', router.lease) ~= ARGV[2] then
  for i, s in ipairs(order.services) do
    mark(router, s.service, 0, now, ARGV[3], KEYS[1])
    results[i] = 0
  end
  return { 0, results }
end
local services, places = {}, {}
for i, s in ipairs(order.services) do
  services[i], places[i] = s.service, s.record
end
local generations = generations_at(places)
fetch(router.marks, services)
fetch(router.inflight, services)
fetch_claims(router, services, {})
for i, s in ipairs(order.services) do
  local current = generations[KEYS[s.record]]
  local mine = get(router.marks, s.service) == s.stamp
  if current ~= s.generation or not mine then
    results[i] = 0
    owe_note(router, ARGV[2], s.service)
  else
    results[i] = 1
    local member = s.service .. '@' .. router.name
    local left
    if s.wrote then
      owe_note(router, ARGV[2], s.service)
    else
      left = clear_note(router, ARGV[2], s.service)
    end
    if s.text then
      texts[#texts + 1] = KEYS[s.record]
      texts[#texts + 1] = whole(order.generation) .. '|' .. s.text
      generations[KEYS[s.record]] = order.generation
    end
    local score = redis.call('ZSCORE', router.due, s.service)
    -- The brake holds it since it was taken: so it stays, and goes on to say so.
    local braked = s['do'] == 'postpone' and not score
    if s['do'] ~= 'postpone' then
      unmark(router, s.service)
    elseif score then
      local priority = math.floor(tonumber(score) / SPAN)
      redis.call('ZADD', router.due, whole(priority * SPAN + now + s.wait_ms), s.service)
    end
    if s.rest_note then
      rest_note(router, s.service)
    end
    if not braked then
      put(router.waiting, s.service, s.waiting or false)
    end
    if s['do'] == 'confirm' then
      end_note(router, s.service, left)
      drop_weak(router, s.service)
      if s.gone then
        redis.call('SREM', router.services, s.service)
      end
      ended[#ended + 1] = member
    end
    if s.unseen then
      redis.call('ZADD', KEYS[first + 5], whole(now + s.unseen_ms), member)
      unseen[#unseen + 1] = member
      unseen[#unseen + 1] = s.unseen
    elseif s.gone then
      gone[#gone + 1] = member
    end
    for _, said in ipairs(s.events) do
      local seconds = said[4] > 0 and said[4] or nil
      say(KEYS[said[1]], said[2], seconds, KEYS[said[3]], feeds, now)
    end
    add_up(sums, s.counts)
    if s.history then
      note_lines(KEYS[s.history], s.lines)
    end
    bury(KEYS[first + 1], KEYS[first + 2], s.letters, now)
  end
end
for at = 1, #texts, MANY do
  redis.call('MSET', unpack(texts, at, math.min(at + MANY - 1, #texts)))
end
call_many('HDEL', KEYS[first + 1], ended)
call_many('ZREM', KEYS[first + 2], ended)
call_many('HSET', KEYS[first + 6], unseen)
call_many('ZREM', KEYS[first + 5], gone)
call_many('HDEL', KEYS[first + 6], gone)
count_up(KEYS[first], sums)
return { 1, results }
