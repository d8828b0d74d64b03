-- include: _time
-- Takes what is due from one lane of the journal and counts an attempt for each event.
-- KEYS: 1 journal body, 2 journal due, 3 rung flag, 4 attempts
-- ARGV: 1 how many at the most, 2 how long they are ours (ms), 3.. keys of events that the message
--       itself carries (those still in the journal are taken, too)
-- Returns {full, {attempts of each carried event, or 0: another worker has it}, {key, body,
-- attempts, key, body, attempts, …}}. An empty journal clears the flag: the next publish rings.
local now = now_ms()
local most = tonumber(ARGV[1])
local mine_until = whole(now + tonumber(ARGV[2]))
local carried = {}
for i = 3, #ARGV do
  local due = redis.call('ZSCORE', KEYS[2], ARGV[i])
  if due and tonumber(due) > now then
    carried[#carried + 1] = 0
  else
    if due then
      redis.call('ZADD', KEYS[2], mine_until, ARGV[i])
    end
    carried[#carried + 1] = redis.call('HINCRBY', KEYS[4], ARGV[i], 1)
  end
end
local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', whole(now), 'LIMIT', 0, most)
local taken = {}
for _, key in ipairs(due) do
  local body = redis.call('HGET', KEYS[1], key)
  if body then
    redis.call('ZADD', KEYS[2], mine_until, key)
    taken[#taken + 1] = key
    taken[#taken + 1] = body
    taken[#taken + 1] = redis.call('HINCRBY', KEYS[4], key, 1)
  else
    redis.call('ZREM', KEYS[2], key)
  end
end
if #due == 0 then
  redis.call('DEL', KEYS[3])
end
return { #due == most and 1 or 0, carried, taken }
