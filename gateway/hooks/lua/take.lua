-- Takes webhooks that are due; no other process takes them for a while.
-- KEYS: 1 inbox, 2 inbox due
-- ARGV: 1 at most how many, 2 how long they belong to this process (ms)
-- Returns {id, webhook, id, webhook, …}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local taken = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ARGV[1])) do
  local body = redis.call('HGET', KEYS[1], id)
  if body then
    redis.call('ZADD', KEYS[2], now + ARGV[2], id)
    taken[#taken + 1] = id
    taken[#taken + 1] = body
  else
    redis.call('ZREM', KEYS[2], id)
  end
end
return taken
