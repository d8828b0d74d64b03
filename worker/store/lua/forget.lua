-- include: _services
-- Forgets a cancelled service whose time is over, if nothing was said of it since it was read.
-- ARGV: 1 service, 2 generation
-- Returns 1 forgotten | 0 its record has changed.
if generation_of(ARGV[1]) ~= tonumber(ARGV[2]) then
  return 0
end
redis.call('ZREM', key.tombstones, ARGV[1])
redis.call('DEL', key.record(ARGV[1]), key.history(ARGV[1]))
return 1
