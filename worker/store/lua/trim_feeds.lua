-- Drops the items of all feeds that are older than a time, and feeds without items.
-- ARGV: 1 time (ms)
for _, feed in ipairs(redis.call('HKEYS', key.feed_gone)) do
  local newest = redis.call('XREVRANGE', feed, ARGV[1], '-', 'COUNT', 1)
  if newest[1] then
    trim_items(feed, newest[1][1])
  end
  if redis.call('XLEN', feed) == 0 then
    redis.call('DEL', feed)
  end
end
return 1
