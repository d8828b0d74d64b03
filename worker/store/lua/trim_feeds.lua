-- include: _time _kinds _feed
-- Lets the items of all feeds go that are older than a time; a feed without items goes itself.
-- KEYS: 1 what went, then feeds
-- ARGV: 1 time (ms)
must_be('hash', KEYS[1])
for i = 2, #KEYS do
  must_be('stream', KEYS[i])
end
for i = 2, #KEYS do
  local newest = redis.call('XREVRANGE', KEYS[i], ARGV[1], '-', 'COUNT', 1)
  if newest[1] then
    let_items_go(KEYS[i], KEYS[1], newest[1][1])
  end
  if redis.call('XLEN', KEYS[i]) == 0 then
    redis.call('DEL', KEYS[i])
  end
end
