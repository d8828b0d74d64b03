-- A script that fails half-way leaves half of what it does: what it is given is checked before its
-- first write.

local looked_at = {}

-- Each of the keys (or nil: none) must be missing or of the kind: string, hash, set, zset or list.
local function must_be(kind, ...)
  for i = 1, select('#', ...) do
    local key = select(i, ...)
    if key and not looked_at[key] then
      looked_at[key] = true
      local found = redis.call('TYPE', key).ok
      if found ~= kind and found ~= 'none' then
        error('key ' .. key .. ' is of kind ' .. found .. ', not ' .. kind .. ': it is not ours')
      end
    end
  end
end
