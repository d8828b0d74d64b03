-- Moves a claim from one service to another, with all else that the new holder wants. The former
-- holder then waits for it. Work is added for both.
-- ARGV: 1 router, 2 work version, 3 claim key, 4 scope of the former holder, 5 former holder, 6 new
--       holder, 7 generation of its record, 8 JSON [[claim key, scope], …]: all that it wants, 9 the
--       audit entry, 10 the line of both histories
-- Returns JSON {moved: 1|0, refused: [[claim key, holder], …]: others that hold what it wants besides,
--   changed: 1|0 the claim or the record has changed since it was read}.
local router = router_named(ARGV[1])
local claim_key, scope, from, to = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local holders = holders_of(router, claim_key)
if claim_state(holders, scope, from) ~= 1 or generation_of(to) ~= tonumber(ARGV[7]) then
  return cjson.encode({ moved = 0, refused = {}, changed = 1 })
end
holders[scope][2] = 0
put_holders(router, claim_key, holders)
local now = now_ms()
local refused = request(router, to, cjson.decode(ARGV[8]), ARGV[2], now)
if #refused > 0 then
  holders[scope][2] = 1
  put_holders(router, claim_key, holders)
  return cjson.encode({ moved = 0, refused = refused, changed = 0 })
end
wake(router, claim_key, ARGV[2], now) -- the new holder may want only a part of a prefix
for _, service in ipairs({ from, to }) do
  add_work(router, service, 0, now, ARGV[2])
  add_lines(service, { ARGV[10] })
end
record_action(ARGV[9])
notify({ [router.name] = true })
return cjson.encode({ moved = 1, refused = {}, changed = 0 })
