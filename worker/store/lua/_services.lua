-- Service records. One text a service: `generation|record`, then a line `event key, outcome` for each
-- of its last events, newest first.
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

-- Reads services, and with them other texts. Where a new one is to be stored, no other program may have
-- a key; with that it asks for `rare` keys, of which mostly none is there.
local function fetch_services(ids, texts, rare)
  local new = {}
  for _, id in ipairs(ids) do
    texts[#texts + 1] = key.record(id)
  end
  fetch(TEXT, texts, TEXTS)
  for _, id in ipairs(ids) do
    local text = get(TEXT, key.record(id))
    local at = text and string.find(text, '\n', 1, true)
    services[id] = {
      id = id,
      generation = generation_in(text),
      record = at and string.sub(text, 1, at - 1) or text,
      lines = at and string.sub(text, at) or '',
    }
    if not text then
      new[#new + 1] = key.record(id)
      new[#new + 1] = key.history(id)
    end
  end
  append_all(rare, new)
  for i, at in ipairs((none_of(rare) or none_of(new)) and {} or new) do
    local kind, ours = redis.call('TYPE', at).ok, i % 2 == 0 and 'list' or 'string'
    if kind ~= 'none' and kind ~= ours then
      error({ err = 'WRONGTYPE the key ' .. at .. ' is a ' .. kind .. ': it is not ours' })
    end
  end
end

local function put_record(service, generation, text)
  service.record = whole(generation) .. '|' .. text
  service.generation, service.is_changed = generation, true
end

-- Where the line of an event begins, where its outcome begins, and where both end.
local function find_line(lines, event)
  local first, at = string.find(lines, '\n' .. event .. '[', 1, true)
  return first, at, first and (string.find(lines, '\n', at, true) or #lines + 1) - 1
end

-- The outcome of an event in the text of its service.
local function outcome_in(text, event)
  local _, at, last = find_line(text or '', event)
  return at and string.sub(text, at, last)
end

local function seen_at(now)
  return key.seen(whole(math.floor(now / SEEN_MS)))
end

-- Remembers an event for 31 days: its content (empty: it is remembered already) tells a duplicate from
-- a reused id, and its service is where its outcome is found.
local function remember(event, content, service, now)
  local seen, short = seen_at(now), string.sub(event, 1, SHORT_KEY)
  if content ~= '' or not get(seen, short) then
    put(seen, short, content .. '|' .. service)
    expire_later(seen, SEEN_S, true)
  end
end

-- Whether the event of an outcome was accepted in this period: since then it is remembered in it.
local function is_of_now(text, now)
  local accepted = string.match(text, '^%[%d+,"[%a-]+",%-?%d+,(%d+)')
  return accepted and seen_at(accepted) == seen_at(now)
end

-- Reads at once what is remembered of events that get a new outcome.
local function fetch_remembered(outcomes, now)
  local shorts = {}
  for _, outcome in ipairs(outcomes) do
    if not is_of_now(outcome.text, now) then
      shorts[#shorts + 1] = string.sub(outcome.key, 1, SHORT_KEY)
    end
  end
  fetch(seen_at(now), shorts)
end

local function state_in(text)
  return string.match(text, '"([%a-]+)"')
end

-- A scheduled event can be found until it takes effect.
local function index_scheduled(event, before, text, service)
  local was = before and state_in(before) == 'scheduled' or false
  local is = state_in(text) == 'scheduled'
  if was ~= is then
    put(key.scheduled, event, is and service)
  end
end

-- Makes an event the newest of its service, with this outcome. Returns its outcome before.
local function put_outcome(service, event, text)
  local lines = service.lines
  local first, at, last = find_line(lines, event)
  local before = first and string.sub(lines, at, last)
  local rest = first and string.sub(lines, 1, first - 1) .. string.sub(lines, last + 1) or lines
  service.lines = '\n' .. event .. text .. rest
  service.is_changed, service.has_new = true, true
  index_scheduled(event, before, text, service.id)
  return before
end

-- Replaces the outcome of an event of the service. Returns the one before; nil: there is none.
local function replace_outcome(service, event, text, now)
  local lines = service.lines
  local first, at, last = find_line(lines, event)
  if first then
    local before = string.sub(lines, at, last)
    service.lines = string.sub(lines, 1, at - 1) .. text .. string.sub(lines, last + 1)
    service.is_changed = true
    index_scheduled(event, before, text, service.id)
    if not is_of_now(text, now) then
      remember(event, '', service.id, now)
    end
    return before
  end
end

-- Keeps the outcome of an event that its service does not list, for an hour or two. Returns the one
-- before.
local function remember_briefly(event, text, now)
  local brief = key.brief(whole(math.floor(now / BRIEF_MS)))
  local before = get(brief, event)
  put(brief, event, text)
  expire_later(brief, BRIEF_S, true)
  return before
end

-- Keeps the newest twenty events and all that are open. The outcomes of the others stay for an hour:
-- a client that waits for one may not have read it yet.
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

-- Hands the changed services to `write` (`scripts.py` calls it).
local function write_services()
  for id, service in pairs(services) do
    if service.is_changed then
      if service.has_new and #service.lines > RECENT * SHORTEST_LINE then
        service.lines = without_old(service.lines, now_ms())
      end
      put(TEXT, key.record(id), service.record .. service.lines, TEXTS)
      service.is_changed, service.has_new = false, false
    end
  end
end

-- Adds lines to the history of a service.
local function add_lines(service, lines)
  local history = key.history(service)
  if #lines > 0 and redis.call('LPUSH', history, unpack(lines)) > HISTORY then
    redis.call('LTRIM', history, 0, HISTORY - 1)
  end
end
