-- include: _services
-- Deletes the record of a cancelled service, if it has not changed since it was read.
-- ARGV: 1 service, 2 generation
-- Returns 1 deleted | 0 changed.
if generation_of(ARGV[1]) ~= tonumber(ARGV[2]) then
  return 0
end
redis.call('ZREM', key.tombstones, ARGV[1])
redis.call('DEL', key.record(ARGV[1]), key.history(ARGV[1]))
return 1
