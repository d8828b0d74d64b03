-- A script that fails half-way leaves half of what it does: what it is given is checked before its
-- first write.

-- Each of the keys (or nil: none) must be missing or of the kind: string, hash, set, zset or list.
local function must_be(kind, ...)
  for i = 1, select('#', ...) do
    local key = select(i, ...)
    local found = key and redis.call('TYPE', key).ok or 'none'
    if found ~= kind and found ~= 'none' then
      error('key ' .. key .. ' is of kind ' .. found .. ', not ' .. kind .. ': it is not ours')
    end
  end
end
