-- Begins to rename a router: what people set for it moves, and events with the former name are for the
-- new one from now on. Its services are moved after this, one by one. May be repeated.
-- ARGV: 1 former name, 2 new name, 3 lock id of both, 4 the audit entry
-- Returns 1; 0 when a lock is lost; -1 when another serial is bound to the new name (nothing is
-- changed then).
local old, new = router_named(ARGV[1]), router_named(ARGV[2])
if redis.call('GET', old.lock) ~= ARGV[3] or redis.call('GET', new.lock) ~= ARGV[3] then
  return 0
end
local serial = redis.call('HGET', fleet.serials, old.name)
local other = redis.call('HGET', fleet.serials, new.name)
if serial and other and serial ~= other then
  return -1
end
if redis.call('HGET', fleet.aliases, old.name) ~= new.name then
  local aliases = redis.call('HGETALL', fleet.aliases)
  for i = 1, #aliases, 2 do
    if aliases[i + 1] == old.name then
      redis.call('HSET', fleet.aliases, aliases[i], new.name)
    end
  end
  redis.call('HSET', fleet.aliases, old.name, new.name)
  record_action(ARGV[4])
end
redis.call('HDEL', fleet.aliases, new.name)
forget_serials(old.name)
if serial then
  bind(serial, new.name)
end
for _, hash in ipairs({ fleet.policies, fleet.full_reads, fleet.paused }) do
  local value = redis.call('HGET', hash, old.name)
  if value then
    redis.call('HSET', hash, new.name, value)
    redis.call('HDEL', hash, old.name)
  end
end
redis.call('DEL', old.state, new.state, old.notified, new.notified)
return 1
