-- Forgets the values of a pool whose quarantine is over, a bounded number.
-- ARGV: 1 pool, 2 limit
-- Returns how many.
local over = redis.call('ZRANGEBYSCORE', key.pool_values(ARGV[1]), '(0', whole(now_ms()),
  'LIMIT', 0, tonumber(ARGV[2]))
fetch(key.assigned, over)
for _, value in ipairs(over) do
  forget_value(value, ARGV[1])
end
return #over
