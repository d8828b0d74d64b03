-- include: _time _many _writes _router _work_items _fleet
-- A router gets another name: what people said of it moves, events that say the former name are
-- for the new one from now on. Its services are moved after, one by one. May be repeated.
-- ARGV: 1 former name, 2 new name, 3 token that holds both, 4 the action as JSON
-- Returns 1; 0 when the leases are lost; -1 when another serial is bound to the new name (nothing
-- is changed).
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
  log_action(ARGV[4])
end
redis.call('HDEL', fleet.aliases, new.name)
if serial then
  forget_serials(old.name)
  bind(serial, new.name)
else
  forget_serials(old.name)
end
for _, hash in ipairs({ fleet.policies, fleet.full_reads, fleet.paused }) do
  local said = redis.call('HGET', hash, old.name)
  if said then
    redis.call('HSET', hash, new.name, said)
    redis.call('HDEL', hash, old.name)
  end
end
redis.call('DEL', old.state, new.state, old.notified, new.notified)
return 1
