-- Counts one more attempt of an event before it is folded alone, if it is still ours: a slow worker
-- must not count an event that another worker has taken since.
-- ARGV: 1 lane, 2 event, 3 when it was taken (ms), 4 for how long it belongs to us (ms), 5 whether the
--       journal has it 1|0, and not a message alone
-- Returns the number of attempts, and it is ours as long again; 0: another worker took or folded it.
local journal, event = key.journal(ARGV[1]), ARGV[2]
local due = tonumber(redis.call('ZSCORE', journal.due, event) or nil)
local taken, ours_for = tonumber(ARGV[3]), tonumber(ARGV[4])
if ARGV[5] == '1' and (not due or due >= taken + 2 * ours_for) then
  return 0
end
local attempts = redis.call('HINCRBY', key.attempts, event, 1)
if due then
  redis.call('ZADD', journal.due, whole(now_ms() + ours_for), event)
end
return attempts
