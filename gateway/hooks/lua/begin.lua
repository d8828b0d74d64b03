-- Takes services that are due for a reread. One process at a time rereads a service, with a ticket
-- that is drawn here before the vendor is asked. A ticket is greater than all before it, even if
-- Redis was rolled back.
-- KEYS: 1 wanted, 2 wanted due, 3 reading, 4 tickets
-- ARGV: 1 at most how many, 2 how long they belong to this process (ms), 3 token
-- Returns {ref, wanted, ticket, ref, wanted, ticket, …}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local begun = {}
for _, ref in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ARGV[1])) do
  local wanted = redis.call('HGET', KEYS[1], ref)
  if wanted then
    local last = tonumber(redis.call('HGET', KEYS[4], ref) or '0')
    local ticket = string.format('%.0f', math.max(last + 1, now))
    redis.call('HSET', KEYS[4], ref, ticket)
    redis.call('HSET', KEYS[3], ref, ARGV[3])
    redis.call('ZADD', KEYS[2], now + ARGV[2], ref)
    begun[#begun + 1] = ref
    begun[#begun + 1] = wanted
    begun[#begun + 1] = ticket
  else
    redis.call('ZREM', KEYS[2], ref)
  end
end
return begun
