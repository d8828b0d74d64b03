-- include: _time _kinds _fields _router _marks _fleet
-- Forgets a router of which no service is left: the last step of retiring or renaming it.
-- KEYS: 1 routers due, 2.. fleet block, 10.. router block, 25 dead letters, 26 dead
--       letters by time
-- ARGV: 1 router, 2 token that holds it, 3 `1`: forget what it was called before too, 4 the action
--       as JSON or empty, 5.. ids of its dead letters
-- Returns 1; 0 when the lease is lost or a service came meanwhile (nothing is changed).
must_be('zset', KEYS[1], KEYS[26])
must_be('hash', KEYS[25])
local fleet, router = fleet_at(2), router_at(ARGV[1], 10)
if redis.call('GET', router.lease) ~= ARGV[2] or redis.call('SCARD', router.services) > 0
  or redis.call('ZCARD', router.due) > 0 then
  return 0
end
for i = 10, 22 do -- the last two of the block are of all routers
  redis.call('DEL', KEYS[i])
end
redis.call('ZREM', KEYS[1], router.name)
for _, hash in ipairs({ fleet.policies, fleet.held, fleet.surveyed }) do
  redis.call('HDEL', hash, router.name)
end
forget_serials(fleet, router.name)
if ARGV[3] == '1' then
  local aliases = redis.call('HGETALL', fleet.aliases)
  for i = 1, #aliases, 2 do
    if aliases[i] == router.name or aliases[i + 1] == router.name then
      redis.call('HDEL', fleet.aliases, aliases[i])
    end
  end
end
for i = 5, #ARGV do
  redis.call('HDEL', KEYS[25], ARGV[i])
  redis.call('ZREM', KEYS[26], ARGV[i])
end
if ARGV[4] ~= '' then
  note_action(fleet, ARGV[4])
end
return 1
