-- Stores what was read of applied changes, and reports what is new of them. A change that a newer one
-- replaced meanwhile is left as it is.
-- ARGV: 1 JSON [{member, service, was: the watch as it was taken, kept: the watch to keep (empty: none),
--         next: when to read it again (ms), outcomes: [{key: of the event, applied: its outcome with the
--         report (false: it stays), text, feed}, …], counts: {name: by, …}}, …]
local HOUR_MS = 3600000
local HOURS_S = 26 * 3600
local now = now_ms()
local acted = key.acted_in(whole(math.floor(now / HOUR_MS)))
local found, ids, members = cjson.decode(ARGV[1]), {}, {}
for i, change in ipairs(found) do
  ids[i], members[i] = change.service, change.member
end
fetch(key.watches, members)
fetch_services(ids, { key.feed_last }, {})
for _, change in ipairs(found) do
  if get(key.watches, change.member) == change.was then
    if change.kept == '' then
      put(key.watches, change.member, false)
      later('ZREM', key.watches_due, change.member)
    else
      put(key.watches, change.member, change.kept)
      later('ZADD', key.watches_due, whole(change.next), change.member)
    end
    for _, outcome in ipairs(change.outcomes) do
      if outcome.applied then
        replace_outcome(services[change.service], outcome.key, outcome.applied, now)
      end
      if outcome.feed then
        append(outcome.feed, outcome.text, now)
      end
    end
    if type(change.counts) == 'table' then
      for name, by in pairs(change.counts) do
        count(key.acted, name, by)
        redis.call('HINCRBY', acted, name, by)
      end
      redis.call('EXPIRE', acted, HOURS_S)
    end
  end
end
return 1
