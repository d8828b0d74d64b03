-- Claims {key, scope}: on one router a MAC (per DHCP server; `all` meets every server), an address and
-- a prefix belong to one service. A claim is held while the service wants it, and vacating while only
-- its old row is left: another service takes a vacating claim at once.
-- Per claim key: scope -> {service, 1 held | 0 vacating}. Per service: its claims, held or vacating.
-- Prefixes (`prefix:<32 hex digits>/<length>`, of an address /128) also exclude those that they overlap:
-- all that they lie in, and all that lie in them. For the latter their keys are in a sorted set by name,
-- for the former the lengths that were ever in use, as `/length`.
local PREFIX = '^prefix:(%x+)/(%d+)$'
local REFUSALS_MOST = 10 -- that a request returns and waits for: a short prefix may meet thousands

-- The first `length` bits of hex digits; the other bits are those of `fill`: 0 or 15.
local function cut(digits, length, fill)
  local kept, bits = math.floor(length / 4), length % 4
  local text = string.sub(digits, 1, kept)
  if bits > 0 then
    local digit, rest = tonumber(string.sub(digits, kept + 1, kept + 1), 16), 2 ^ (4 - bits)
    text = text .. string.format('%x', digit - digit % rest + fill % rest)
  end
  return text .. string.rep(fill == 0 and '0' or 'f', 32 - #text)
end

-- The keys of prefixes in which this one may lie, but for those that begin with the same address.
local function wider_keys(router, claim_key)
  local digits, length = string.match(claim_key, PREFIX)
  local found = {}
  if not digits then
    return found
  end
  if not router.lengths then
    router.lengths = {}
    for _, member in ipairs(redis.call('ZRANGEBYLEX', router.prefixes, '[/', '(0')) do
      router.lengths[string.sub(member, 2)] = true
    end
  end
  for other in pairs(router.lengths) do
    local wider = tonumber(other) < tonumber(length) and cut(digits, tonumber(other), 0)
    if wider and wider ~= digits then
      found[#found + 1] = 'prefix:' .. wider .. '/' .. other
    end
  end
  return found
end

local function holders_of(router, claim_key)
  local text = get(router.claims, claim_key)
  return text and cjson.decode(text) or {}
end

local function put_holders(router, claim_key, holders)
  local before, text = get(router.claims, claim_key), next(holders) ~= nil and cjson.encode(holders)
  put(router.claims, claim_key, text)
  local _, length = string.match(claim_key, PREFIX)
  if length and text and not before then
    redis.call('ZADD', router.prefixes, 0, claim_key, 0, '/' .. length)
    router.lengths[length] = true
  elseif length and before and not text then
    redis.call('ZREM', router.prefixes, claim_key)
  end
end

local function claims_of(router, service)
  local text = get(router.held, service)
  return text and cjson.decode(text) or {}
end

local function put_claims(router, service, claims)
  put(router.held, service, #claims > 0 and cjson.encode(claims))
end

-- 1 if the service holds the claim, 0 if its claim is vacating, nil if it has none.
local function claim_state(holders, scope, service)
  local holder = holders[scope]
  return holder and holder[1] == service and holder[2] or nil
end

-- Reads at once the claims of these services, and the holders of those claims and of `wants`.
local function fetch_claims(router, services, wants)
  fetch(router.held, services)
  local claim_keys = {}
  for _, claim in ipairs(wants) do
    claim_keys[#claim_keys + 1] = claim[1]
    for _, wider in ipairs(wider_keys(router, claim[1])) do
      claim_keys[#claim_keys + 1] = wider
    end
  end
  for _, service in ipairs(services) do
    for _, claim in ipairs(claims_of(router, service)) do
      claim_keys[#claim_keys + 1] = claim[1]
    end
  end
  fetch(router.claims, claim_keys)
end

-- The keys whose holders a request for this key meets.
local function keys_met(router, claim_key)
  local digits, length = string.match(claim_key, PREFIX)
  if not digits then
    return { claim_key }
  end
  local found = redis.call('ZRANGEBYLEX', router.prefixes, '[prefix:' .. digits .. '/',
    '(prefix:' .. cut(digits, tonumber(length), 15) .. '0') -- in a name `/` is followed by `0`
  fetch(router.claims, found)
  for _, wider in ipairs(wider_keys(router, claim_key)) do
    if get(router.claims, wider) then
      found[#found + 1] = wider
    end
  end
  return found
end

local function index_of(claims, claim)
  for i, other in ipairs(claims) do
    if other[1] == claim[1] and other[2] == claim[2] then
      return i
    end
  end
end

-- Waiters, in a sorted set without scores: `k|claim key|service`, and `s|service|claim key` for the
-- other direction. `p|claim key|service`: the waiters after this one are still to be woken. The key is
-- the holder's. A service waits only for what it wants.
local WOKEN_AT_ONCE = 100

local function add_waiter(router, claim_key, service)
  there[router.waiters] = true
  redis.call('ZADD', router.waiters, 0, 'k|' .. claim_key .. '|' .. service,
    0, 's|' .. service .. '|' .. claim_key)
end

local function remove_waiter(router, claim_key, service)
  redis.call('ZREM', router.waiters, 'k|' .. claim_key .. '|' .. service,
    's|' .. service .. '|' .. claim_key)
end

-- Wakes some waiters of a claim, those after `last` (nil: the first ones).
local function wake_some(router, claim_key, last, work_version, now)
  local all = 'k|' .. claim_key
  local found = redis.call('ZRANGEBYLEX', router.waiters,
    last and '(' .. all .. '|' .. last or '[' .. all .. '|', '(' .. all .. '}',
    'LIMIT', 0, WOKEN_AT_ONCE)
  for i, member in ipairs(found) do
    found[i] = string.sub(member, #all + 2)
    remove_waiter(router, claim_key, found[i])
    add_work(router, found[i], 0, now, work_version)
  end
  if #found == WOKEN_AT_ONCE then
    redis.call('ZADD', router.waiters, 0, 'p|' .. claim_key .. '|' .. found[#found])
  end
  return #found > 0
end

-- Adds a work item for the waiters of a claim. Returns whether there was any.
local function wake(router, claim_key, work_version, now)
  if not is_there(router.waiters) then
    return false
  end
  redis.call('ZREMRANGEBYLEX', router.waiters, '[p|' .. claim_key .. '|', '(p|' .. claim_key .. '}')
  return wake_some(router, claim_key, nil, work_version, now)
end

-- Wakes the next waiters of a claim that has too many to be woken at once.
local function wake_more(router, work_version, now)
  local member = is_there(router.waiters)
    and redis.call('ZRANGEBYLEX', router.waiters, '[p|', '(p}', 'LIMIT', 0, 1)[1]
  if member then
    redis.call('ZREM', router.waiters, member)
    local claim_key, last = string.match(member, '^p|(.*)|([^|]*)$')
    wake_some(router, claim_key, last, work_version, now)
  end
end

-- Lets a service wait no longer for claims that it does not want. The request that follows renews
-- the wait for another prefix that overlaps.
local function wait_only_for(router, service, wants)
  if not is_there(router.waiters) then
    return
  end
  local mine, wanted = 's|' .. service, {}
  for _, claim in ipairs(wants) do
    wanted[claim[1]] = true
  end
  local found = redis.call('ZRANGEBYLEX', router.waiters, '[' .. mine .. '|', '(' .. mine .. '}')
  for _, member in ipairs(found) do
    local claim_key = string.sub(member, #mine + 2)
    if not wanted[claim_key] then
      remove_waiter(router, claim_key, service)
    end
  end
end

-- Keeps those of the claims of a service for which `is_kept` (of claim and holders) says so.
local function keep_claims(router, service, is_kept)
  local claims, kept = claims_of(router, service), {}
  for _, claim in ipairs(claims) do
    if is_kept(claim, holders_of(router, claim[1])) then
      kept[#kept + 1] = claim
    end
  end
  if #kept ~= #claims then
    put_claims(router, service, kept)
  end
end

-- Makes the claims that a service does not want any more vacating; with `stands`, the claims of its row,
-- those that no row has are free at once. Returns whether a waiter was woken.
local function vacate(router, service, wants, work_version, now, stands)
  local woken = false
  wait_only_for(router, service, wants)
  keep_claims(router, service, function(claim, holders)
    if index_of(wants, claim) or claim_state(holders, claim[2], service) ~= 1 then
      return true
    end
    local is_kept = not stands or index_of(stands, claim)
    holders[claim[2]] = is_kept and { service, 0 } or nil
    put_holders(router, claim[1], holders)
    woken = wake(router, claim[1], work_version, now) or woken
    return is_kept
  end)
  return woken
end

-- Gives a service all of `wants`, or none. Returns {{claim key, holder}, …}: claims that others hold,
-- the first ones if there are many; empty if all are granted. The brake lets the loser of a vacating
-- claim go on, because its row is in the way: the MAC, address or prefix is another's now. Not so for a
-- service that is held itself.
local function request(router, service, wants, work_version, now)
  local refused, vacating, is_refused = {}, {}, {}
  for _, claim in ipairs(wants) do
    for _, met in ipairs(keys_met(router, claim[1])) do
      for scope, holder in pairs(holders_of(router, met)) do
        local meets = scope == claim[2] or scope == 'all' or claim[2] == 'all'
        if meets and holder[1] ~= service then
          if holder[2] == 0 then
            vacating[#vacating + 1] = { claim = { met, scope }, holder = holder[1] }
          elseif #refused < REFUSALS_MOST and not is_refused[met .. holder[1]] then
            is_refused[met .. holder[1]] = true
            refused[#refused + 1] = { met, holder[1] }
            add_waiter(router, met, service)
          end
        end
      end
    end
  end
  if #refused > 0 then
    return refused
  end
  local may_approve = not is_braked(router, service)
  for _, taken in ipairs(vacating) do
    if may_approve then
      put(router.lost_by, taken.holder, false) -- the loss counts, and is not held later
      approve(router, taken.holder, now, work_version)
    end
    local claim_key, scope = unpack(taken.claim)
    local holders = holders_of(router, claim_key)
    holders[scope] = nil
    put_holders(router, claim_key, holders)
    local claims = claims_of(router, taken.holder)
    local at = index_of(claims, taken.claim)
    if at then
      table.remove(claims, at)
    end
    put_claims(router, taken.holder, claims)
  end
  local claims = claims_of(router, service)
  local changed = false
  for _, claim in ipairs(wants) do
    local holders = holders_of(router, claim[1])
    if claim_state(holders, claim[2], service) ~= 1 then
      holders[claim[2]] = { service, 1 }
      put_holders(router, claim[1], holders)
      if not index_of(claims, claim) then
        claims[#claims + 1] = claim
      end
      changed = true
    end
  end
  if changed then
    put_claims(router, service, claims)
  end
  return refused
end

-- Drops the vacating claims of a service whose row stands only where it is wanted. Nobody waits for
-- these: a request gets them at once.
local function drop_vacating(router, service)
  keep_claims(router, service, function(claim, holders)
    if claim_state(holders, claim[2], service) ~= 0 then
      return true
    end
    holders[claim[2]] = nil
    put_holders(router, claim[1], holders)
  end)
end
