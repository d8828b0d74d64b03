-- How a router is doing, as JSON; the key is absent while all is well.
local function note_state(router, text)
  if text == '{}' then
    redis.call('DEL', router.state)
  elseif text ~= '' then
    redis.call('SET', router.state, text)
  end
end
