-- include: _time _kinds _fields _router _marks _call _ring _claims _events
-- Moves a claim, and all else that its new holder wants, from one service to another: the former
-- holder waits for it from now on. Both are looked at.
-- KEYS: 1 routers due, 2.. router block, 17 record and 18 history of the new holder, 19 history of
--       the former one, 20 actions
-- ARGV: 1 router, 2 stamp, 3 claim key, 4 scope of the former holder, 5 former holder,
--       6 new holder, 7 generation of its record, 8 JSON [[key, scope], …]: all that it wants,
--       9 the action as JSON, also the line of both histories
-- Returns JSON {moved: 1|0, refused: [[key, holder], …], changed: 1|0}. Not moved when
-- somebody else holds what it wants beside; changed: what was looked at is no longer so.
local ACTIONS = 500
must_be('zset', KEYS[1])
must_be('string', KEYS[17])
must_be('list', KEYS[18], KEYS[19], KEYS[20])
local router = router_at(ARGV[1], 2)
local key, scope, from, to = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local holders = read_claim(router, key)
local mine = holders[scope]
if not (mine and mine[1] == from and mine[2] == 1)
  or generation_of(KEYS[17]) ~= tonumber(ARGV[7]) then
  return cjson.encode({ moved = 0, refused = {}, changed = 1 })
end
mine[2] = 0
write_claim(router, key, holders)
local now = now_ms()
local refused = request(router, to, cjson.decode(ARGV[8]), ARGV[2], now, KEYS[1])
if #refused > 0 then
  mine[2] = 1
  write_claim(router, key, holders)
  return cjson.encode({ moved = 0, refused = refused, changed = 0 })
end
for _, service in ipairs({ from, to }) do
  mark(router, service, 0, now, ARGV[2], KEYS[1])
end
note_lines(KEYS[18], { ARGV[9] })
note_lines(KEYS[19], { ARGV[9] })
redis.call('LPUSH', KEYS[20], ARGV[9])
redis.call('LTRIM', KEYS[20], 0, ACTIONS - 1)
ring(router, KEYS[1])
return cjson.encode({ moved = 1, refused = {}, changed = 0 })
