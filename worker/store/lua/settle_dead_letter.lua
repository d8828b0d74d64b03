-- Removes a dead letter that a person settled, if it is still the one that was shown.
-- ARGV: 1 id, 2 its text, 3 the audit entry, 4 its service, 5 a line for the history of the service,
--       6 its group, empty: none
-- Returns 1, or 0 when it is gone or was replaced (nothing is changed then).
local id, service, group_ids = ARGV[1], ARGV[4], key.dead_letters_of(ARGV[6])
if redis.call('HGET', key.dead_letters, id) ~= ARGV[2] then
  return 0
end
redis.call('HDEL', key.dead_letters, id)
redis.call('ZREM', key.dead_letters_by_time, id)
redis.call('ZREM', group_ids, id)
if redis.call('EXISTS', group_ids) == 0 then -- the whole group is settled
  redis.call('HDEL', key.dead_letters_gone, ARGV[6])
end
record_action(ARGV[3])
if redis.call('EXISTS', key.record(service)) == 1 then -- a history goes with its record
  add_lines(service, { ARGV[5] })
end
return 1
