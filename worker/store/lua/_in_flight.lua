-- Notes in flight, service -> `token|look|sent`: writes that the holder of `token` may have under way
-- (none: `token` is empty); when to look once more (ms) at what a former holder may have left (0:
-- need not, 1: it is marked for that, and the note lasts until a look at it ends well); the leases
-- that were added since the note was made, [[MAC, address, server], …] as JSON or empty.
local LOOK_NOW = 1

local function read_note(router, service)
  local text = get(router.inflight, service)
  if not text then
    return nil
  end
  local token, look, sent = string.match(text, '^([^|]*)|(%d+)|?(.*)$') -- earlier versions: no `sent`
  return { token = token, look = tonumber(look), sent = sent }
end

local function write_note(router, service, token, look, sent)
  put(router.inflight, service, token .. '|' .. whole(look) .. '|' .. sent)
end

-- `sent`: leases that are about to be added, or nil.
local function note(router, token, service, sent)
  local old = read_note(router, service) or { look = 0, sent = '' }
  local all = old.sent
  if sent then
    local known = all == '' and {} or cjson.decode(all)
    for _, each in ipairs(sent) do
      known[#known + 1] = each
    end
    all = cjson.encode(known)
  end
  write_note(router, service, token, old.look, all)
end

-- All that `token` wrote for the service was answered; a second look that is to come stays.
-- Returns the note that is left, or nil.
local function clear_note(router, token, service)
  local old = read_note(router, service)
  if not old or old.token ~= token then
    return old
  end
  if old.look == 0 then
    put(router.inflight, service, false)
    return nil
  end
  write_note(router, service, '', old.look, old.sent)
  old.token = ''
  return old
end

-- All that `token` wrote for the service was answered, and no record says so, as it changed meanwhile
-- or the look did not end well: without the note the row would be taken at the next look for one that
-- another Redis wrote.
local function owe_note(router, token, service)
  local old = read_note(router, service)
  if old and old.token == token then
    write_note(router, service, '', old.look == 0 and LOOK_NOW or old.look, old.sent)
  end
end

-- The look that a note asks for ended well: what it was about is as it should be.
local function end_note(router, service, left)
  if left and left.token == '' and left.look == LOOK_NOW then
    put(router.inflight, service, false)
  end
end

-- Nobody looks for the sake of the note alone; the next look at the service, for whatever reason, does.
local function rest_note(router, service)
  local old = read_note(router, service)
  if old then
    write_note(router, service, '', LOOK_NOW, old.sent)
  end
end

-- Has the mark of a service be looked at as one of which writes were under way.
local function note_closely(router, service)
  local old = read_note(router, service) or { token = '', look = 0, sent = '' }
  if old.look == 0 then
    write_note(router, service, old.token, LOOK_NOW, old.sent)
  end
end

-- What a note says was added, as JSON; false without a note.
local function sent_of(router, service)
  local found = read_note(router, service)
  return found and (found.sent == '' and '[]' or found.sent) or false
end

-- Notes of others than `token`: their services are marked now, and once more after twice the
-- lease; the note stays till then. Notes of a second look that is due: marked.
-- Returns when the next second look is due, or nil.
local function look_at_notes(router, token, lock_ms, stamp, now)
  local next_look = nil
  if not router.noted then -- no script looks at them and adds to them
    router.noted = redis.call('HKEYS', router.inflight)
    fetch(router.inflight, router.noted)
  end
  for _, service in ipairs(router.noted) do
    local found = read_note(router, service)
    local look = found.look
    if found.token ~= '' and found.token ~= token then
      look = now + 2 * lock_ms
      write_note(router, service, '', look, found.sent)
      add_work(router, service, 0, now, stamp)
    elseif look > LOOK_NOW and look <= now then
      look = LOOK_NOW
      write_note(router, service, found.token, look, found.sent)
      add_work(router, service, 0, now, stamp)
    end
    if look > LOOK_NOW and (not next_look or look < next_look) then
      next_look = look
    end
  end
  return next_look
end
