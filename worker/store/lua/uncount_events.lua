-- Takes one beginning of events back; one that was committed since has none.
-- ARGV: 1.. events
for _, event in ipairs(ARGV) do
  local begun = tonumber(redis.call('HGET', key.attempts, event) or 0)
  if begun > 1 then
    redis.call('HINCRBY', key.attempts, event, -1)
  else
    redis.call('HDEL', key.attempts, event)
  end
end
return 1
