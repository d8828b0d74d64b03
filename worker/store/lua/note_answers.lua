-- Adds to how long routers took to answer.
-- ARGV: 1 number of the present slot, 2 how many slots are kept, 3 lifetime (s),
--       4.. router, answers, their sum (ms), the longest (ms), …
local slot, oldest = ARGV[1], tonumber(ARGV[1]) - tonumber(ARGV[2])
for i = 4, #ARGV, 4 do
  local at = key.router(ARGV[i]).answers
  local number, sum, most = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
  local before = redis.call('HGET', at, slot)
  if before then
    local n, s, m = string.match(before, '^(%d+) (%d+) (%d+)$')
    number, sum, most = number + n, sum + s, math.max(most, tonumber(m))
  else
    for _, old in ipairs(redis.call('HKEYS', at)) do
      if tonumber(old) <= oldest then
        redis.call('HDEL', at, old)
      end
    end
  end
  redis.call('HSET', at, slot, string.format('%d %d %d', number, sum, most))
  redis.call('EXPIRE', at, ARGV[3])
end
