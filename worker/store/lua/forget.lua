-- Deletes the record of a cancelled service, if it has not changed since it was read.
-- ARGV: 1 service, 2 generation, 3.. values of pools that it had: they keep their quarantine, and not its
--         name
-- Returns 1 deleted | 0 changed.
if generation_of(ARGV[1]) ~= tonumber(ARGV[2]) then
  return 0
end
for i = 3, #ARGV do
  local holder, until_ms = holder_of(ARGV[i])
  if holder == ARGV[1] then
    put(key.assigned, ARGV[i], whole(until_ms) .. '|')
  end
end
redis.call('ZREM', key.tombstones, ARGV[1])
redis.call('DEL', key.record(ARGV[1]), key.history(ARGV[1]))
return 1
