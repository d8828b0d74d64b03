-- Notes in flight, service -> `token|look|sent`: writes that the holder of `lock_id` may have under way
-- (none: `lock_id` is empty); when to look once more (ms) at what a former holder may have left (0:
-- need not, 1: it is marked for that, and the note lasts until a look at it ends well); the leases
-- that were added since the note was made, [[MAC, address, server], …] as JSON or empty.
local CHECK_NOW = 1

local function read_in_flight(router, service)
  local text = get(router.inflight, service)
  if not text then
    return nil
  end
  local lock_id, check_at, sent = string.match(text, '^([^|]*)|(%d+)|?(.*)$') -- earlier versions: no `sent`
  return { lock_id = lock_id, check_at = tonumber(check_at), sent = sent }
end

local function write_in_flight(router, service, lock_id, check_at, sent)
  put(router.inflight, service, lock_id .. '|' .. whole(check_at) .. '|' .. sent)
end

-- `sent`: leases that are about to be added, or nil.
local function write_begins(router, lock_id, service, sent)
  local old = read_in_flight(router, service) or { check_at = 0, sent = '' }
  local all = old.sent
  if sent then
    local known = all == '' and {} or cjson.decode(all)
    for _, each in ipairs(sent) do
      known[#known + 1] = each
    end
    all = cjson.encode(known)
  end
  write_in_flight(router, service, lock_id, old.check_at, all)
end

-- All that `lock_id` wrote for the service was answered; a second look that is to come stays.
-- Returns the note that is left, or nil.
local function clear_in_flight(router, lock_id, service)
  local old = read_in_flight(router, service)
  if not old or old.lock_id ~= lock_id then
    return old
  end
  if old.check_at == 0 then
    put(router.inflight, service, false)
    return nil
  end
  write_in_flight(router, service, '', old.check_at, old.sent)
  old.lock_id = ''
  return old
end

-- All that `lock_id` wrote for the service was answered, and no record says so, as it changed meanwhile
-- or the look did not end well: without the note the row would be taken at the next look for one that
-- another Redis wrote.
local function owe_check(router, lock_id, service)
  local old = read_in_flight(router, service)
  if old and old.lock_id == lock_id then
    write_in_flight(router, service, '', old.check_at == 0 and CHECK_NOW or old.check_at, old.sent)
  end
end

-- The look that a note asks for ended well: what it was about is as it should be.
local function end_check(router, service, left)
  if left and left.lock_id == '' and left.check_at == CHECK_NOW then
    put(router.inflight, service, false)
  end
end

-- Nobody looks for the sake of the note alone; the next look at the service, for whatever reason, does.
local function rest_check(router, service)
  local old = read_in_flight(router, service)
  if old then
    write_in_flight(router, service, '', CHECK_NOW, old.sent)
  end
end

-- Has the mark of a service be looked at as one of which writes were under way.
local function check_closely(router, service)
  local old = read_in_flight(router, service) or { lock_id = '', check_at = 0, sent = '' }
  if old.check_at == 0 then
    write_in_flight(router, service, old.lock_id, CHECK_NOW, old.sent)
  end
end

-- What a note says was added, as JSON; false without a note.
local function sent_of(router, service)
  local found = read_in_flight(router, service)
  return found and (found.sent == '' and '[]' or found.sent) or false
end

-- Notes of others than `lock_id`: their services are marked now, and once more after twice the
-- lease; the note stays till then. Notes of a second look that is due: marked.
-- Returns when the next second look is due, or nil.
local function check_in_flight(router, lock_id, lock_ms, work_version, now)
  local next_check = nil
  if not router.in_flight then -- no script looks at them and adds to them
    router.in_flight = redis.call('HKEYS', router.inflight)
    fetch(router.inflight, router.in_flight)
  end
  for _, service in ipairs(router.in_flight) do
    local found = read_in_flight(router, service)
    local check_at = found.check_at
    if found.lock_id ~= '' and found.lock_id ~= lock_id then
      check_at = now + 2 * lock_ms
      write_in_flight(router, service, '', check_at, found.sent)
      add_work(router, service, 0, now, work_version)
    elseif check_at > CHECK_NOW and check_at <= now then
      check_at = CHECK_NOW
      write_in_flight(router, service, found.lock_id, check_at, found.sent)
      add_work(router, service, 0, now, work_version)
    end
    if check_at > CHECK_NOW and (not next_check or check_at < next_check) then
      next_check = check_at
    end
  end
  return next_check
end
