-- Writes events into one lane of the intake journal, and says whether to ring.
-- KEYS: 1 journal body, 2 journal due, 3 rung flag
-- ARGV: 1 lifetime of the flag (ms), then for each event its key and its JSON text
-- Returns {ring, {key, body, key, body, …}}: 1 when no message of the lane was pending, and the
-- events that were in the journal already, as they are there. Those are left as they are.
redis.call('ZCARD', KEYS[2]) -- a key of another kind fails here, before the first write
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local there = {}
for i = 2, #ARGV, 2 do
  if redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1]) == 1 then
    -- The fraction keeps the order of one call, in which operators' words count.
    redis.call('ZADD', KEYS[2], string.format('%.4f', now + i / 2048), ARGV[i])
  else
    there[#there + 1] = ARGV[i]
    there[#there + 1] = redis.call('HGET', KEYS[1], ARGV[i])
  end
end
local ring = redis.call('SET', KEYS[3], '1', 'NX', 'PX', ARGV[1])
return { ring and 1 or 0, there }
