-- Checks the serial of a router before writes, and binds it to the name the first time.
-- ARGV: 1 router, 2 serial (empty: unknown), 3 how long a full read is good (ms)
-- Returns {'ok', full read due 1|0}, {'mismatch', bound serial} or {'shared', other names…}.
local name, serial = ARGV[1], ARGV[2]
local bound = redis.call('HGET', fleet.serials, name)
local seen = redis.call('HGET', fleet.serials_seen, name)
if serial ~= '' and seen ~= serial then
  if seen and seen ~= bound then
    drop_name(seen, name)
  end
  redis.call('HSET', fleet.serials_seen, name, serial)
  add_name(serial, name)
end
if bound and bound ~= serial then
  return { 'mismatch', bound }
end
if serial ~= '' then
  local others = others_of(serial, name)
  if #others > 0 then
    return { 'shared', unpack(others) }
  end
  if not bound then
    redis.call('HSET', fleet.serials, name, serial)
  end
end
return { 'ok', full_read_due(name, tonumber(ARGV[3]), now_ms()) and 1 or 0 }
