-- What people said of routers (worker/store/keys.py), and what follows from a word.
local ACTIONS = 500
local fleet = key.fleet

local function log_action(text)
  redis.call('LPUSH', fleet.actions, text)
  redis.call('LTRIM', fleet.actions, 0, ACTIONS - 1)
end

local function names_of(serial)
  local text = redis.call('HGET', fleet.serial_names, serial)
  return text and cjson.decode(text) or {}
end

-- The names at which `serial` is bound or was last seen, but for `name`.
local function others_of(serial, name)
  local others = {}
  for _, each in ipairs(names_of(serial)) do
    if each ~= name then
      others[#others + 1] = each
    end
  end
  return others
end

local function drop_name(serial, name)
  local others = others_of(serial, name)
  if #others == 0 then
    redis.call('HDEL', fleet.serial_names, serial)
  else
    redis.call('HSET', fleet.serial_names, serial, cjson.encode(others))
  end
end

local function add_name(serial, name)
  local names = others_of(serial, name)
  names[#names + 1] = name
  redis.call('HSET', fleet.serial_names, serial, cjson.encode(names))
end

local function forget_serials(name)
  for _, hash in ipairs({ fleet.serials, fleet.serials_seen }) do
    local serial = redis.call('HGET', hash, name)
    if serial then
      drop_name(serial, name)
      redis.call('HDEL', hash, name)
    end
  end
end

local function bind(serial, name)
  forget_serials(name)
  redis.call('HSET', fleet.serials, name, serial)
  redis.call('HSET', fleet.serials_seen, name, serial)
  add_name(serial, name)
end

-- The serial by which `name` is known: bound to it, seen last, and of no other name; else false.
local function known_serial(name)
  local bound = redis.call('HGET', fleet.serials, name)
  local known = bound and redis.call('HGET', fleet.serials_seen, name) == bound
    and #others_of(bound, name) == 0
  return known and bound
end

local function full_read_due(name, good_ms, now)
  local full_reads = tonumber(redis.call('HGET', fleet.full_reads, name) or nil)
  return not full_reads or full_reads + good_ms <= now
end

-- Whoever holds the router stops at its next renewal, and nobody takes it while it may still write:
-- the lease goes to nobody for the time it had left. Returns that time (ms).
local function revoke(router)
  local left = redis.call('PTTL', router.lock)
  if left <= 0 then
    return 0
  end
  redis.call('SET', router.lock, 'revoked', 'PX', left)
  return left
end

-- The sweep looks at the router as soon as nobody can hold it any more, whatever it was parked for.
local function close_circuit(router, at)
  if redis.call('HEXISTS', fleet.paused, router.name) == 0 then
    redis.call('DEL', router.notified)
    redis.call('ZADD', key.routers_due, whole(at), router.name)
  end
end

-- Marks every service of which a row may exist on the router; returns how many.
local function add_work_for_all(router, priority, now, work_version)
  local services = redis.call('SMEMBERS', router.services)
  fetch_scores(router.due, services)
  for _, service in ipairs(services) do
    add_work(router, service, priority, now, work_version)
  end
  return #services
end
