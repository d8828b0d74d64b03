-- Sets the state of a router, JSON. `{}` (all is well) deletes the key; an empty text changes nothing.
local function set_state(router, text)
  if text == '{}' then
    redis.call('DEL', router.state)
  elseif text ~= '' then
    redis.call('SET', router.state, text)
  end
end
