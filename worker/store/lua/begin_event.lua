-- include: _time _kinds
-- Counts one more beginning of an event, just before it is worked on alone, if it is ours still:
-- whoever walks through many of them slowly must not count what another worker has taken since.
-- KEYS: 1 journal due, 2 attempts
-- ARGV: 1 event, 2 when it was taken (ms), 3 for how long it was (ms), 4 whether it is of the journal
--       1|0: a message alone may have brought it
-- Returns how often it was begun; 0 when another worker has it, or had. It is ours as long again.
must_be('zset', KEYS[1])
must_be('hash', KEYS[2])
local due = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or nil)
local taken, ours_for = tonumber(ARGV[2]), tonumber(ARGV[3])
if ARGV[4] == '1' and (not due or due >= taken + 2 * ours_for) then
  return 0
end
if due then
  redis.call('ZADD', KEYS[1], whole(now_ms() + ours_for), ARGV[1])
end
return redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
