-- A service is one text: `generation|record`, then a line for each of its last events, the newest
-- first: its key and the word on it. Needs `_writes`.
local RECENT = 20
local SHORTEST_LINE = 40
local OPEN = { accepted = true, scheduled = true, waiting = true }
local HISTORY = 50
local BRIEF_MS = 3600000
local BRIEF_S = 3 * BRIEF_MS / 1000
local SEEN_MS = 8 * 86400000
local SEEN_S = 40 * 86400
local SHORT_KEY = 16
local services = {}

local function generation_in(text)
  return text and tonumber(string.match(text, '^(%d+)|')) or 0
end

local function generation_of(service)
  return generation_in(redis.call('GET', key.record(service)))
end

-- Reads services. A new one must not stand where another program has a key.
local function fetch_services(list)
  local records, new = {}, {}
  for i, service in ipairs(list) do
    records[i] = key.record(service)
  end
  for i, text in ipairs(get_many(records)) do
    local at = text and string.find(text, '\n', 1, true)
    services[list[i]] = {
      id = list[i],
      generation = generation_in(text),
      record = at and string.sub(text, 1, at - 1) or text,
      lines = at and string.sub(text, at) or '',
    }
    if not text then
      new[#new + 1] = records[i]
      new[#new + 1] = key.history(list[i])
    end
  end
  for i, each in ipairs(#new > 0 and redis.call('EXISTS', unpack(new)) > 0 and new or {}) do
    local kind, ours = redis.call('TYPE', each).ok, i % 2 == 0 and 'list' or 'string'
    if kind ~= 'none' and kind ~= ours then
      error({ err = 'WRONGTYPE the key ' .. each .. ' is a ' .. kind .. ': it is not ours' })
    end
  end
end

local function put_record(service, generation, text)
  service.record = whole(generation) .. '|' .. text
  service.generation, service.is_changed = generation, true
end

-- Where the line of an event begins, where the word on it does, and where both end.
local function find_line(lines, event)
  local first, at = string.find(lines, '\n' .. event .. '[', 1, true)
  return first, at, first and (string.find(lines, '\n', at, true) or #lines + 1) - 1
end

-- The word on an event of a service, in its text.
local function outcome_in(text, event)
  local _, at, last = find_line(text or '', event)
  return at and string.sub(text, at, last)
end

local function seen_at(now)
  return key.seen(whole(math.floor(now / SEEN_MS)))
end

-- Reads at once what is remembered of events of which something is said again.
local function fetch_remembered(events, now)
  local shorts = {}
  for i, event in ipairs(events) do
    shorts[i] = string.sub(event, 1, SHORT_KEY)
  end
  fetch(seen_at(now), shorts)
end

-- Remembers an event for 31 days: by its content it is told from another of its id (empty: that is
-- remembered already), and by its service the word on it is found.
local function remember(event, content, service, now)
  local seen, short = seen_at(now), string.sub(event, 1, SHORT_KEY)
  if content ~= '' or not get(seen, short) then
    put(seen, short, content .. '|' .. service)
    expire_later(seen, SEEN_S, true)
  end
end

local function state_in(text)
  return string.match(text, '"([%a-]+)"')
end

-- What is scheduled may be found for as long as it waits.
local function note_scheduled(event, before, text, service)
  local was = before and state_in(before) == 'scheduled' or false
  local is = state_in(text) == 'scheduled'
  if was ~= is then
    put(key.scheduled, event, is and service)
  end
end

-- Puts the word on an event into its service, first among its events. Returns the word before.
local function put_outcome(service, event, text)
  local lines = service.lines
  local first, at, last = find_line(lines, event)
  local before = first and string.sub(lines, at, last)
  local rest = first and string.sub(lines, 1, first - 1) .. string.sub(lines, last + 1) or lines
  service.lines = '\n' .. event .. text .. rest
  service.is_changed, service.has_new = true, true
  note_scheduled(event, before, text, service.id)
  return before
end

-- Puts another word in the place of the one on an event. Returns that, or nil where there is none.
local function replace_outcome(service, event, text, now)
  local lines = service.lines
  local first, at, last = find_line(lines, event)
  if first then
    local before = string.sub(lines, at, last)
    service.lines = string.sub(lines, 1, at - 1) .. text .. string.sub(lines, last + 1)
    service.is_changed = true
    note_scheduled(event, before, text, service.id)
    remember(event, '', service.id, now)
    return before
  end
end

-- Keeps the word on an event that is none of the last ones of its service, for an hour or two. Returns
-- the word before.
local function remember_briefly(event, text, now)
  local brief = key.brief(whole(math.floor(now / BRIEF_MS)))
  local before = get(brief, event)
  put(brief, event, text)
  expire_later(brief, BRIEF_S, true)
  return before
end

-- Keeps the newest twenty, and of older ones those whose last word is not said yet; of the others the
-- word stays for an hour, as whoever waits for it may not have read it.
local function without_old(lines, now)
  local kept, number = {}, 0
  for line in string.gmatch(lines, '\n[^\n]+') do
    number = number + 1
    local event, text = string.match(line, '\n([^%[]*)(.*)')
    if number <= RECENT or OPEN[state_in(text)] then
      kept[#kept + 1] = line
    else
      remember_briefly(event, text, now)
    end
  end
  return table.concat(kept)
end

-- Hands on what is changed to be written (`scripts.py` calls it).
local function write_services()
  for id, service in pairs(services) do
    if service.is_changed then
      if service.has_new and #service.lines > RECENT * SHORTEST_LINE then
        service.lines = without_old(service.lines, now_ms())
      end
      set_later(key.record(id), service.record .. service.lines)
      service.is_changed, service.has_new = false, false
    end
  end
end

local function note_lines(service, lines)
  local history = key.history(service)
  if redis.call('LPUSH', history, unpack(lines)) > HISTORY then
    redis.call('LTRIM', history, 0, HISTORY - 1)
  end
end
