-- Takes due events of one lane's journal, and finds which of the message's own events are to be folded
-- from the message. The first attempt of each event is counted here.
-- ARGV: 1 lane, 2 id of this take, 3 most events, 4 for how long they belong to us (ms), 5 lifetime of
--       the flag (ms), 6.. keys of the events that the message carries
-- Returns {full, {for each carried event how often it was begun before, or -1: the journal has it},
-- {key, body, begun before, …}, now, {former name of a router, name, …}}. A carried event that is due
-- in the journal is taken from there. If nothing is taken, the flag goes: the next publish notifies a
-- worker. Else it stays until the commit of what was taken, which checks again. A client that got no
-- answer asks again: what it took then still belongs to it.
local journal, this_take = key.journal(ARGV[1]), key.take(ARGV[2])
local now = now_ms()
local most, ours_for = tonumber(ARGV[3]), tonumber(ARGV[4])
none_of({ this_take, key.fleet.aliases, key.attempts })
local ours_until = tonumber(is_there(this_take) and redis.call('GET', this_take) or 0)
local is_repeated = ours_until > now
if not is_repeated then
  ours_until = now + ours_for + clock()[2] % 1000 / 1000
end
ours_until = string.format('%.3f', ours_until) -- its microseconds tell this take from all others
local taken = {}

-- How often an event was begun before this take, which may be repeated.
local function begun_before(attempts)
  return is_repeated and attempts == 1 and 0 or attempts
end

local function begin(event)
  local attempts = tonumber(redis.call('HGET', key.attempts, event) or 0)
  if attempts == 0 then
    redis.call('HSET', key.attempts, event, 1)
  end
  return begun_before(attempts)
end

-- Takes the events that the journal has, with as few commands for many as for one. Returns whether it
-- has any.
local function take(events)
  local due, first_attempts, gone = {}, {}, {}
  local bodies = call_many('HMGET', { journal.body }, events)
  local all_attempts = there[key.attempts] == false and {} or call_many('HMGET', { key.attempts }, events)
  for i, event in ipairs(events) do
    local attempts = tonumber(all_attempts[i] or 0)
    if not bodies[i] then
      gone[#gone + 1] = event
    else
      due[#due + 1] = ours_until
      due[#due + 1] = event
      if attempts == 0 then
        first_attempts[#first_attempts + 1] = event
        first_attempts[#first_attempts + 1] = 1
      end
      for _, value in ipairs({ event, bodies[i], begun_before(attempts) }) do
        taken[#taken + 1] = value
      end
    end
  end
  call_many('ZREM', { journal.due }, gone)
  call_many('ZADD', { journal.due }, due)
  call_many('HSET', { key.attempts }, first_attempts)
  return #due > 0
end

local carried = {}
for i = 6, #ARGV do
  local due = tonumber(redis.call('ZSCORE', journal.due, ARGV[i]) or nil)
  local is_journaled = due and (due > now or take({ ARGV[i] }))
  carried[#carried + 1] = is_journaled and -1 or begin(ARGV[i])
end
local due = is_repeated and redis.call('ZRANGEBYSCORE', journal.due, ours_until, ours_until)
  or redis.call('ZRANGEBYSCORE', journal.due, '-inf', whole(now), 'LIMIT', 0, most)
take(due)
if not is_repeated and (#taken > 0 or #carried > 0) then
  redis.call('SET', this_take, ours_until, 'PX', ours_for)
end
local full = #due >= most
if full then
  redis.call('SET', journal.notified, '1', 'PX', tonumber(ARGV[5]))
elseif #taken == 0 then
  redis.call('DEL', journal.notified)
end
return { full and 1 or 0, carried, taken, now,
  is_there(key.fleet.aliases) and redis.call('HGETALL', key.fleet.aliases) or {} }
