-- What people set for routers, and the serial numbers of routers.
local fleet = key.fleet

-- The names that `serial` is bound to or was last seen at, except `name`.
local function others_of(serial, name)
  local text = redis.call('HGET', fleet.serial_names, serial)
  local others = {}
  for _, other in ipairs(text and cjson.decode(text) or {}) do
    if other ~= name then
      others[#others + 1] = other
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

-- The serial that is bound to `name`, if it was seen there last and has no other name; else false.
local function known_serial(name)
  local bound = redis.call('HGET', fleet.serials, name)
  local known = bound and redis.call('HGET', fleet.serials_seen, name) == bound
    and #others_of(bound, name) == 0
  return known and bound
end

local function full_read_due(name, good_ms, now)
  local read_ms = tonumber(redis.call('HGET', fleet.full_reads, name) or nil)
  return not read_ms or read_ms + good_ms <= now
end

-- Revokes the lock: its pass stops at the next renewal, and nobody gets the lock for the time that was
-- left, in which that pass may still write. Returns that time (ms).
local function revoke(router)
  local left = redis.call('PTTL', router.lock)
  if left <= 0 then
    return 0
  end
  redis.call('SET', router.lock, 'revoked', 'PX', left)
  return left
end

-- Closes the circuit: the sweep checks the router at a time, unless a person paused it.
local function close_circuit(router, at)
  if redis.call('HEXISTS', fleet.paused, router.name) == 0 then
    redis.call('DEL', router.notified)
    redis.call('ZADD', key.routers_due, whole(at), router.name)
  end
end

-- Ends the pass that is under way, and adds work for every service that may have a row on the router;
-- it is checked when that pass writes no more. Returns how many services.
local function check_all_anew(router, priority, work_version)
  local left, services = revoke(router), redis.call('SMEMBERS', router.services)
  fetch(router.due, services, SCORES)
  for _, service in ipairs(services) do
    add_work(router, service, priority, now_ms(), work_version)
  end
  list_queued()
  close_circuit(router, now_ms() + left)
  return #services
end
