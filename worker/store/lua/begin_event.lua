-- include: _time
-- Counts one more beginning of an event, just before it is worked on alone, if it is ours still:
-- whoever walks through many of them slowly must not count what another worker has taken since.
-- ARGV: 1 lane, 2 event, 3 when it was taken (ms), 4 for how long it was (ms), 5 whether it is of the
--       journal 1|0: a message alone may have brought it
-- Returns how often it was begun; 0 when another worker has it, or had. It is ours as long again.
local journal, event = key.journal(ARGV[1]), ARGV[2]
local due = tonumber(redis.call('ZSCORE', journal.due, event) or nil)
local taken, ours_for = tonumber(ARGV[3]), tonumber(ARGV[4])
if ARGV[5] == '1' and (not due or due >= taken + 2 * ours_for) then
  return 0
end
local begun = redis.call('HINCRBY', key.attempts, event, 1)
if due then
  redis.call('ZADD', journal.due, whole(now_ms() + ours_for), event)
end
return begun
