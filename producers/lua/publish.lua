-- Writes events into one lane of the intake journal. Unless a notification of the lane is pending, it
-- also puts a Celery message into the lane's queue, which wakes a worker.
-- KEYS: 1 journal body, 2 journal due, 3 notified flag, 4 Celery queue of the lane,
--       5 where to count them, if they were accepted before and lost
-- ARGV: 1 lifetime of the flag (ms), 2 lane, 3 envelope of the message (contracts/message.py), then
--       key and JSON text of each event
-- Returns {1 if a message was sent else 0, {key, body, key, body, …}}: the events that were in the
-- journal before, as they are there. They stay as they are.
local bodies, due, notified_flag, queue = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local flag_lifetime_ms, lane, envelope, first_event = ARGV[1], ARGV[2], ARGV[3], 4

-- A key of another type must fail here, before the first write.
redis.call('ZCARD', due)
local queue_length = redis.call('LLEN', queue)

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local journaled_before, written = {}, 0
for i = first_event, #ARGV, 2 do
  local event_key, body = ARGV[i], ARGV[i + 1]
  if redis.call('HSETNX', bodies, event_key, body) == 1 then
    -- Due at once: a worker may look within this millisecond. The fraction keeps the order of the
    -- call, which decides between events of operators.
    redis.call('ZADD', due, string.format('%.4f', now_ms - 1 + i / 2048), event_key)
    written = written + 1
  else
    journaled_before[#journaled_before + 1] = event_key
    journaled_before[#journaled_before + 1] = redis.call('HGET', bodies, event_key)
  end
end
if KEYS[5] and written > 0 then
  redis.call('HINCRBY', KEYS[5], 'events', written)
  redis.call('HSET', KEYS[5], 'at_ms', string.format('%.0f', now_ms))
end

-- Any message of the lane makes a worker look into the journal. Two may be in the queue, because one
-- may be a canary of the workers. More would pile up while no worker takes any.
local notified = queue_length < 2
  and redis.call('SET', notified_flag, '1', 'NX', 'PX', flag_lifetime_ms)
if notified then
  local arguments = cjson.encode('[[[], "' .. lane .. '"], {}, {}]')
  local id = redis.sha1hex(envelope .. time[1] .. '.' .. time[2])
  local message = string.gsub(envelope, '@id@', id)
  message = string.gsub(message, '"@body@"', function() return arguments end)
  redis.call('LPUSH', queue, message)
end

-- WAIT is about the writes of its connection. If all events were in the journal before, there were none,
-- and it would not wait for a replica to have these. So the flag is written as it is, or for a moment.
if written == 0 and not notified and not redis.call('SET', notified_flag, '1', 'XX', 'KEEPTTL') then
  redis.call('SET', notified_flag, '1', 'PX', 1)
end
return { notified and 1 or 0, journaled_before }
