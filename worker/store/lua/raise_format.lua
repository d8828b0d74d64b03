-- include: _time
-- Raises the store format to the newest that all processes read, if that is newer than the one in use.
-- ARGV: 1 the newest format that the caller reads, 2 for how long (ms) a process that fell silent counts
-- Returns the format in use.
local first = 1
local in_use = tonumber(redis.call('GET', key.store_format) or first)
local common = tonumber(ARGV[1])
local since = whole(now_ms() - tonumber(ARGV[2]))
for _, name in ipairs(redis.call('ZRANGEBYSCORE', key.processes, since, '+inf')) do
  local info = redis.call('HGET', key.process_info, name)
  local formats = info and cjson.decode(info).formats
  local reads = formats and formats.store or {}
  common = math.min(common, reads[#reads] or first)
end
if common > in_use then
  redis.call('SET', key.store_format, whole(common))
  return common
end
return in_use
