-- Writes events into one lane of the intake journal; unless a message of that lane is pending, one
-- that makes a worker look there goes into its queue in the same step.
-- KEYS: 1 journal body, 2 journal due, 3 rung flag, 4 Celery queue of the lane
-- ARGV: 1 lifetime of the flag (ms), 2 name of the lane, 3 envelope of the message
--       (contracts/message.py), then for each event its key and its JSON text
-- Returns {rung, {key, body, key, body, …}}: 1 when a message was sent, and the events that were in
-- the journal already, as they are there. Those are left as they are.
redis.call('ZCARD', KEYS[2]) -- a key of another kind fails here, before the first write
local queued = redis.call('LLEN', KEYS[4]) -- the same
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local there = {}
for i = 4, #ARGV, 2 do
  if redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1]) == 1 then
    -- Due already, as a worker may look within this millisecond. The fraction keeps the order of one
    -- call, in which operators' words count.
    redis.call('ZADD', KEYS[2], string.format('%.4f', now - 1 + i / 2048), ARGV[i])
  else
    there[#there + 1] = ARGV[i]
    there[#there + 1] = redis.call('HGET', KEYS[1], ARGV[i])
  end
end
-- Whoever takes a message of the lane looks into the journal. Two may stand there, as one may be a
-- canary, which the workers send; more would pile up while nobody takes any.
local notified = queued < 2 and redis.call('SET', KEYS[3], '1', 'NX', 'PX', ARGV[1])
if notified then
  local body = cjson.encode('[[[], "' .. ARGV[2] .. '"], {}, {}]')
  local id = redis.sha1hex(ARGV[4] .. time[1] .. '.' .. time[2])
  local message = string.gsub(ARGV[3], '@id@', id)
  message = string.gsub(message, '"@body@"', function() return body end)
  redis.call('LPUSH', KEYS[4], message)
end
return { notified and 1 or 0, there }
