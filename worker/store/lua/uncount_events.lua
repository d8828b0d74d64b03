-- include: _kinds
-- Takes one beginning of events back; one that was committed since has none.
-- KEYS: 1 attempts
-- ARGV: 1.. events
must_be('hash', KEYS[1])
for _, key in ipairs(ARGV) do
  local begun = tonumber(redis.call('HGET', KEYS[1], key) or 0)
  if begun > 1 then
    redis.call('HINCRBY', KEYS[1], key, -1)
  else
    redis.call('HDEL', KEYS[1], key)
  end
end
return 1
