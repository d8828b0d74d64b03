-- Leaves the sign of life of a process, with the time of this moment: an earlier one would be ahead of a
-- clock that was set back meanwhile, and the process would count for that much longer after its end.
-- ARGV: 1 name of the process, 2 what it says of itself (JSON), 3 for how long (ms) signs are kept
-- Returns {{names of processes to forget}, store format; empty: none was set}.
local now = now_ms()
redis.call('HSET', key.process_info, ARGV[1], ARGV[2])
redis.call('ZADD', key.processes, whole(now), ARGV[1])
return {
  redis.call('ZRANGEBYSCORE', key.processes, '-inf', whole(now - tonumber(ARGV[3]))),
  redis.call('GET', key.store_format) or '',
}
