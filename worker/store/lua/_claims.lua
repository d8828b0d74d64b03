-- Claims: on one router a MAC (per DHCP server; `all` meets every server) and an address belong
-- to one service. A claim is strong while desired and granted, weak while only the row still
-- stands; a strong request takes a weak claim at once.

local function read_claim(router, claim)
  local text = get(router.claims, claim)
  return text and cjson.decode(text) or {}
end

local function write_claim(router, claim, holders)
  put(router.claims, claim, next(holders) ~= nil and cjson.encode(holders))
end

local function read_held(router, service)
  local text = get(router.held, service)
  return text and cjson.decode(text) or {}
end

local function write_held(router, service, held)
  put(router.held, service, #held > 0 and cjson.encode(held))
end

-- Reads at once what these services hold, and who holds the keys of that and of `wants`.
local function fetch_claims(router, services, wants)
  fetch(router.held, services)
  local keys = {}
  for _, claim in ipairs(wants) do
    keys[#keys + 1] = claim[1]
  end
  for _, service in ipairs(services) do
    for _, claim in ipairs(read_held(router, service)) do
      keys[#keys + 1] = claim[1]
    end
  end
  fetch(router.claims, keys)
end

local function same(a, b)
  return a[1] == b[1] and a[2] == b[2]
end

local function has(list, claim)
  for _, each in ipairs(list) do
    if same(each, claim) then
      return true
    end
  end
  return false
end

local function without(list, claim)
  local rest = {}
  for _, each in ipairs(list) do
    if not same(each, claim) then
      rest[#rest + 1] = each
    end
  end
  return rest
end

-- Who waits for what, in one sorted set without scores: `k|claim|service`, and `s|service|claim` to
-- find it from the other side. `p|claim|service`: those behind this one are still to be woken. Nobody
-- waits but for what it wants.
local WOKEN_AT_ONCE = 100

local function is_waited_at(router)
  if router.is_waited_at == nil then
    router.is_waited_at = redis.call('EXISTS', router.waiters) == 1
  end
  return router.is_waited_at
end

local function wait_for(router, claim, service)
  router.is_waited_at = true
  redis.call('ZADD', router.waiters, 0, 'k|' .. claim .. '|' .. service,
    0, 's|' .. service .. '|' .. claim)
end

local function wait_no_more(router, claim, service)
  redis.call('ZREM', router.waiters, 'k|' .. claim .. '|' .. service,
    's|' .. service .. '|' .. claim)
end

-- Wakes some of those who wait for a claim, from the one behind `last` on (nil: the first).
local function wake_some(router, claim, last, work_version, now)
  local all = 'k|' .. claim
  local found = redis.call('ZRANGEBYLEX', router.waiters,
    last and '(' .. all .. '|' .. last or '[' .. all .. '|', '(' .. all .. '}',
    'LIMIT', 0, WOKEN_AT_ONCE)
  for i, member in ipairs(found) do
    found[i] = string.sub(member, #all + 2)
    wait_no_more(router, claim, found[i])
    add_work(router, found[i], 0, now, work_version)
  end
  if #found == WOKEN_AT_ONCE then
    redis.call('ZADD', router.waiters, 0, 'p|' .. claim .. '|' .. found[#found])
  end
  return #found > 0
end

-- Whoever waits for a claim is looked at again. Returns whether anybody did.
local function wake(router, claim, work_version, now)
  if not is_waited_at(router) then
    return false
  end
  redis.call('ZREMRANGEBYLEX', router.waiters, '[p|' .. claim .. '|', '(p|' .. claim .. '}')
  return wake_some(router, claim, nil, work_version, now)
end

-- Wakes the next of those who were too many to be woken at once.
local function wake_more(router, work_version, now)
  local member = is_waited_at(router)
    and redis.call('ZRANGEBYLEX', router.waiters, '[p|', '(p}', 'LIMIT', 0, 1)[1]
  if member then
    redis.call('ZREM', router.waiters, member)
    local claim, last = string.match(member, '^p|(.*)|([^|]*)$')
    wake_some(router, claim, last, work_version, now)
  end
end

-- `service` waits for nothing but these any more.
local function wait_for_these(router, service, wants)
  if not is_waited_at(router) then
    return
  end
  local mine = 's|' .. service
  local found = redis.call('ZRANGEBYLEX', router.waiters, '[' .. mine .. '|', '(' .. mine .. '}')
  for _, member in ipairs(found) do
    local claim, wanted = string.sub(member, #mine + 2), false
    for _, want in ipairs(wants) do
      wanted = wanted or want[1] == claim
    end
    if not wanted then
      wait_no_more(router, claim, service)
    end
  end
end

-- What `service` no longer wants becomes weak, and is not waited for. Returns whether anybody was woken.
local function weaken(router, service, wants, work_version, now)
  local woken = false
  wait_for_these(router, service, wants)
  for _, claim in ipairs(read_held(router, service)) do
    if not has(wants, claim) then
      local holders = read_claim(router, claim[1])
      local mine = holders[claim[2]]
      if mine and mine[1] == service and mine[2] == 1 then
        mine[2] = 0
        write_claim(router, claim[1], holders)
        woken = wake(router, claim[1], work_version, now) or woken
      end
    end
  end
  return woken
end

-- All of `wants` for `service`, or none. Returns {{key, holder}, …}: who refuses; empty = granted.
-- Whoever gives up a weak claim is let through the brake, for its row is in the way: it is the MAC
-- or address of another now. Not so for a service that is held itself.
local function request(router, service, wants, work_version, now)
  local refused = {}
  local taken_from = {}
  for _, claim in ipairs(wants) do
    for scope, holder in pairs(read_claim(router, claim[1])) do
      local meets = scope == claim[2] or scope == 'all' or claim[2] == 'all'
      if meets and holder[1] ~= service then
        if holder[2] == 1 then
          refused[#refused + 1] = { claim[1], holder[1] }
          wait_for(router, claim[1], service)
        else
          taken_from[#taken_from + 1] = { claim[1], scope, holder[1] }
        end
      end
    end
  end
  if #refused > 0 then
    return refused
  end
  local free = not is_braked(router, service)
  for _, taken in ipairs(taken_from) do
    if free then
      put(router.lost_by, taken[3], false) -- it counts, and is not held afterwards
      approve(router, taken[3], now, work_version)
    end
    local holders = read_claim(router, taken[1])
    holders[taken[2]] = nil
    write_claim(router, taken[1], holders)
    write_held(router, taken[3], without(read_held(router, taken[3]), { taken[1], taken[2] }))
  end
  local held = read_held(router, service)
  local changed = false
  for _, claim in ipairs(wants) do
    local holders = read_claim(router, claim[1])
    local mine = holders[claim[2]]
    if not (mine and mine[1] == service and mine[2] == 1) then
      holders[claim[2]] = { service, 1 }
      write_claim(router, claim[1], holders)
      if not has(held, claim) then
        held[#held + 1] = claim
      end
      changed = true
    end
  end
  if changed then
    write_held(router, service, held)
  end
  return refused
end

-- The row stands only where it is wanted: weak claims go. Nobody waits for one: who asks gets it.
local function drop_vacating(router, service)
  local held = read_held(router, service)
  local kept = {}
  for _, claim in ipairs(held) do
    local holders = read_claim(router, claim[1])
    local mine = holders[claim[2]]
    if mine and mine[1] == service and mine[2] == 0 then
      holders[claim[2]] = nil
      write_claim(router, claim[1], holders)
    else
      kept[#kept + 1] = claim
    end
  end
  if #kept ~= #held then
    write_held(router, service, kept)
  end
end
