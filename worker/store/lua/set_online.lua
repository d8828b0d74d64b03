-- include: _time _feed
-- Reports devices that use their entries, unless another event was applied meanwhile.
-- ARGV: 1 JSON [{member, event: as it is kept, text, feed}, …]
local now = now_ms()
for _, seen in ipairs(cjson.decode(ARGV[1])) do
  if redis.call('HGET', key.awaiting_events, seen.member) == seen.event then
    redis.call('ZREM', key.awaiting_device, seen.member)
    redis.call('HDEL', key.awaiting_events, seen.member)
    append(seen.feed, seen.text, now)
  end
end
return 1
