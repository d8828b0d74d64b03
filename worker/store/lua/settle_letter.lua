-- include: _kinds _events
-- Takes a dead letter away that a person dealt with, if it is still the one that was looked at.
-- KEYS: 1 dead letters, 2 dead letters by time, 3 actions, 4 record, 5 history, 6 letters of its
--       group, 7 how many of each group went
-- ARGV: 1 id, 2 the letter's text, 3 the action as JSON, 4 a line for the service's history, 5 its
--       group, empty: it has none
-- Returns 1, or 0 when it is gone or another one by now (nothing is changed).
local ACTIONS = 500
must_be('hash', KEYS[1], KEYS[7])
must_be('zset', KEYS[2], KEYS[6])
must_be('list', KEYS[3], KEYS[5])
must_be('string', KEYS[4])
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[6], ARGV[1])
if redis.call('EXISTS', KEYS[6]) == 0 then -- all of it is dealt with
  redis.call('HDEL', KEYS[7], ARGV[5])
end
redis.call('LPUSH', KEYS[3], ARGV[3])
redis.call('LTRIM', KEYS[3], 0, ACTIONS - 1)
-- A history goes with its record: without one nothing would take it away.
if redis.call('EXISTS', KEYS[4]) == 1 then
  note_lines(KEYS[5], { ARGV[4] })
end
return 1
