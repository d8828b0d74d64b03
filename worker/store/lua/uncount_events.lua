-- Takes back one attempt of events; those that were committed since have none.
-- ARGV: 1.. events
for _, event in ipairs(ARGV) do
  local attempts = tonumber(redis.call('HGET', key.attempts, event) or 0)
  if attempts > 1 then
    redis.call('HINCRBY', key.attempts, event, -1)
  else
    redis.call('HDEL', key.attempts, event)
  end
end
return 1
