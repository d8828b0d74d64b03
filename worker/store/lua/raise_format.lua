-- Finds the newest store format that all processes read, and raises the one in use to it.
-- ARGV: 1 the newest format that the caller reads, 2 for how long (ms) a process that fell silent counts,
--       3 `1` raise it
-- Returns the newest that all read.
local first = 1
local common = tonumber(ARGV[1])
local since = whole(now_ms() - tonumber(ARGV[2]))
for _, name in ipairs(redis.call('ZRANGEBYSCORE', key.processes, since, '+inf')) do
  local info = redis.call('HGET', key.process_info, name)
  local formats = info and cjson.decode(info).formats
  local reads = formats and formats.store or {}
  common = math.min(common, reads[#reads] or first)
end
if ARGV[3] == '1' and common > tonumber(redis.call('GET', key.store_format) or first) then
  redis.call('SET', key.store_format, whole(common))
end
return common
