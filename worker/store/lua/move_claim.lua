-- include: _time _many _writes _router _work_items _notified _notify _claims _services
-- Moves a claim, and all else that its new holder wants, from one service to another: the former
-- holder waits for it from now on. Both are looked at.
-- ARGV: 1 router, 2 stamp, 3 claim, 4 scope of the former holder, 5 former holder, 6 new holder,
--       7 generation of its record, 8 JSON [[claim, scope], …]: all that it wants, 9 the action as
--       JSON, 10 the line for both histories
-- Returns JSON {moved: 1|0, refused: [[claim, holder], …], changed: 1|0}. Not moved when
-- somebody else holds what it wants beside; changed: what was looked at is no longer so.
local ACTIONS = 500
local router = router_named(ARGV[1])
local claim, scope, from, to = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local holders = read_claim(router, claim)
local mine = holders[scope]
if not (mine and mine[1] == from and mine[2] == 1) or generation_of(to) ~= tonumber(ARGV[7]) then
  return cjson.encode({ moved = 0, refused = {}, changed = 1 })
end
mine[2] = 0
write_claim(router, claim, holders)
local now = now_ms()
local refused = request(router, to, cjson.decode(ARGV[8]), ARGV[2], now)
if #refused > 0 then
  mine[2] = 1
  write_claim(router, claim, holders)
  return cjson.encode({ moved = 0, refused = refused, changed = 0 })
end
for _, service in ipairs({ from, to }) do
  add_work(router, service, 0, now, ARGV[2])
  note_lines(service, { ARGV[10] })
end
redis.call('LPUSH', key.actions, ARGV[9])
redis.call('LTRIM', key.actions, 0, ACTIONS - 1)
notify({ [router.name] = true })
return cjson.encode({ moved = 1, refused = {}, changed = 0 })
