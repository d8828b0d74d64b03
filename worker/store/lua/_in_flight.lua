-- Writes in flight, service -> `lock id|second check|leases added`: writes that the pass with this lock
-- id may have under way (empty: none); when to check again (ms) what a former pass may have written
-- (0: no need; 1: a work item was added for it, and the entry stays until a check ends well); the leases
-- that were added since the entry was made, [[MAC, address, server], …] as JSON or empty.
local CHECK_NOW = 1

local function read_in_flight(router, service)
  local text = get(router.inflight, service)
  if not text then
    return nil
  end
  local lock_id, check_at, sent = string.match(text, '^([^|]*)|(%d+)|(.*)$')
  return { lock_id = lock_id, check_at = tonumber(check_at), sent = sent }
end

local function write_in_flight(router, service, lock_id, check_at, sent)
  put(router.inflight, service, lock_id .. '|' .. whole(check_at) .. '|' .. sent)
end

-- The leases of an entry, as JSON, with others, or nil.
local function with_leases(known, more)
  if not more then
    return known
  end
  local leases = known == '' and {} or cjson.decode(known)
  for _, lease in ipairs(more) do
    leases[#leases + 1] = lease
  end
  return cjson.encode(leases)
end

-- A pass is about to write for a service; `sent`: the leases that it adds, or nil.
local function write_begins(router, lock_id, service, sent)
  local old = read_in_flight(router, service) or { check_at = 0, sent = '' }
  write_in_flight(router, service, lock_id, old.check_at, with_leases(old.sent, sent))
end

-- Every write of `lock_id` for the service was answered; a second check that is to come stays.
-- Returns the entry that is left, or nil.
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

-- Every write of `lock_id` for the service was answered, but no record says so, because it changed
-- meanwhile or the check did not end well. Without the entry the next check would take the row for one
-- that another Redis wrote.
local function owe_check(router, lock_id, service)
  local old = read_in_flight(router, service)
  if old and old.lock_id == lock_id then
    write_in_flight(router, service, '', old.check_at == 0 and CHECK_NOW or old.check_at, old.sent)
  end
end

-- A check ended well: it was the one that the entry asked for, or the entry stays without the names of
-- devices alone. Their sessions ended with it, and another service may have the name at the next one.
local function end_check(router, service, left)
  if not left or left.lock_id ~= '' then
    return
  end
  if left.check_at == CHECK_NOW then
    put(router.inflight, service, false)
  elseif left.sent ~= '' then
    local rows = {}
    for _, row in ipairs(cjson.decode(left.sent)) do
      if row[2] ~= '' or row[3] ~= '' then
        rows[#rows + 1] = row
      end
    end
    write_in_flight(router, service, '', left.check_at, #rows == 0 and '' or cjson.encode(rows))
  end
end

-- No check is made for the entry alone: the next check of the service, for any reason, includes it.
local function defer_check(router, service)
  local old = read_in_flight(router, service)
  if old then
    write_in_flight(router, service, '', CHECK_NOW, old.sent)
  end
end

-- The next check of a service is made as if writes were under way; so is one at `again_at` if leases were
-- added for it lately (`sent`, else nil), of which Redis may have lost the note.
local function check_closely(router, service, sent, again_at)
  local old = read_in_flight(router, service) or { lock_id = '', check_at = 0, sent = '' }
  local check_at = old.check_at
  if sent and check_at <= CHECK_NOW then
    check_at = again_at
  elseif check_at == 0 then
    check_at = CHECK_NOW
  end
  write_in_flight(router, service, old.lock_id, check_at, with_leases(old.sent, sent))
end

-- The leases that were added, as JSON; false: no write is in flight.
local function sent_of(router, service)
  local entry = read_in_flight(router, service)
  return entry and (entry.sent == '' and '[]' or entry.sent) or false
end

-- Adds work for services with writes in flight: those of other passes than `lock_id` now, and once more
-- after two lock times, until when the entry stays; and those whose second check is due.
-- Returns when the next second check is due, or nil.
local function check_in_flight(router, lock_id, lock_ms, work_version, now)
  local next_check = nil
  if not router.in_flight then -- no script both adds entries and checks them
    router.in_flight = is_there(router.inflight) and redis.call('HKEYS', router.inflight) or {}
    fetch(router.inflight, router.in_flight)
  end
  for _, service in ipairs(router.in_flight) do
    local entry = read_in_flight(router, service)
    local check_at = entry.check_at
    if entry.lock_id ~= '' and entry.lock_id ~= lock_id then
      check_at = now + 2 * lock_ms
      write_in_flight(router, service, '', check_at, entry.sent)
      add_work(router, service, 0, now, work_version)
    elseif check_at > CHECK_NOW and check_at <= now then
      check_at = CHECK_NOW
      write_in_flight(router, service, entry.lock_id, check_at, entry.sent)
      add_work(router, service, 0, now, work_version)
    end
    if check_at > CHECK_NOW and (not next_check or check_at < next_check) then
      next_check = check_at
    end
  end
  return next_check
end
