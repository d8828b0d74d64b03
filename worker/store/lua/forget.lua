-- include: _kinds _events
-- Forgets a cancelled service whose time is over, if nothing was said of it since it was read.
-- KEYS: 1 tombstones, 2 record, 3 history, 4 recent
-- ARGV: 1 service, 2 generation
-- Returns 1 forgotten | 0 its record has changed.
must_be('zset', KEYS[1])
must_be('string', KEYS[2])
must_be('list', KEYS[3], KEYS[4])
if generation_of(KEYS[2]) ~= tonumber(ARGV[2]) then
  return 0
end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2], KEYS[3], KEYS[4])
return 1
