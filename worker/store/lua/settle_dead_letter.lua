-- include: _services
-- Takes a dead letter away that a person dealt with, if it is still the one that was looked at.
-- ARGV: 1 id, 2 the letter's text, 3 the action as JSON, 4 its service, 5 a line for the history of
--       that, 6 its group, empty: it has none
-- Returns 1, or 0 when it is gone or another one by now (nothing is changed).
local ACTIONS = 500
local id, service, dead_letters = ARGV[1], ARGV[4], key.dead_letters_of(ARGV[6])
if redis.call('HGET', key.dead_letters, id) ~= ARGV[2] then
  return 0
end
redis.call('HDEL', key.dead_letters, id)
redis.call('ZREM', key.dead_letters_by_time, id)
redis.call('ZREM', dead_letters, id)
if redis.call('EXISTS', dead_letters) == 0 then -- all of it is dealt with
  redis.call('HDEL', key.dead_letters_gone, ARGV[6])
end
redis.call('LPUSH', key.actions, ARGV[3])
redis.call('LTRIM', key.actions, 0, ACTIONS - 1)
-- A history goes with its record: without one nothing would take it away.
if redis.call('EXISTS', key.record(service)) == 1 then
  note_lines(service, { ARGV[5] })
end
return 1
