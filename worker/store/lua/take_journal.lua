-- include: _time _many
-- Takes what is due from one lane of the journal, and says what of the message's own events is to
-- be worked on. An event that is begun for the first time is counted here.
-- ARGV: 1 lane, 2 stamp of this take, 3 how many at the most, 4 how long they are ours (ms),
--       5 lifetime of the flag (ms), 6.. keys of events that the message itself carries
-- Returns {full, {for each carried event how often it was begun before, or -1: the journal has
-- it}, {key, body, begun before, key, body, begun before, …}, now, {former name, name, …}}. What
-- is carried and due in the journal is taken from there. If nothing is, the flag goes: the next
-- publish rings. Else it stays until the commit of what was taken: that looks again. A client that
-- heard no answer asks again: what it took then is its own still.
local journal, this_take = key.journal(ARGV[1]), key.take(ARGV[2])
local now = now_ms()
local most, ours_for = tonumber(ARGV[3]), tonumber(ARGV[4])
local mine_until = tonumber(redis.call('GET', this_take) or 0)
local again = mine_until > now
if not again then
  mine_until = now + ours_for
  -- by it this take is told from all others
  while redis.call('ZCOUNT', journal.due, whole(mine_until), whole(mine_until)) > 0 do
    mine_until = mine_until + 1
  end
end
mine_until = whole(mine_until)
local taken = {}

local function begin(event)
  local begun = tonumber(redis.call('HGET', key.attempts, event) or 0)
  if begun == 0 then
    redis.call('HSET', key.attempts, event, 1)
  elseif again and begun == 1 then
    begun = 0
  end
  return begun
end

-- Takes those that are there, with as few commands for many as for one; returns whether any is.
local function take(events)
  local due, first_tries, gone = {}, {}, {}
  local bodies = call_many('HMGET', journal.body, events)
  local tries = call_many('HMGET', key.attempts, events)
  for i, event in ipairs(events) do
    local begun = tonumber(tries[i] or 0)
    if not bodies[i] then
      gone[#gone + 1] = event
    else
      due[#due + 1] = mine_until
      due[#due + 1] = event
      if begun == 0 then
        first_tries[#first_tries + 1] = event
        first_tries[#first_tries + 1] = 1
      elseif again and begun == 1 then
        begun = 0
      end
      for _, each in ipairs({ event, bodies[i], begun }) do
        taken[#taken + 1] = each
      end
    end
  end
  call_many('ZREM', journal.due, gone)
  call_many('ZADD', journal.due, due)
  call_many('HSET', key.attempts, first_tries)
  return #due > 0
end

local carried = {}
for i = 6, #ARGV do
  local due = tonumber(redis.call('ZSCORE', journal.due, ARGV[i]) or nil)
  local there = due and (due > now or take({ ARGV[i] }))
  carried[#carried + 1] = there and -1 or begin(ARGV[i])
end
local due = again and redis.call('ZRANGEBYSCORE', journal.due, mine_until, mine_until)
  or redis.call('ZRANGEBYSCORE', journal.due, '-inf', whole(now), 'LIMIT', 0, most)
take(due)
if not again and (#taken > 0 or #carried > 0) then
  redis.call('SET', this_take, mine_until, 'PX', ours_for)
end
local full = #due >= most
if full then
  redis.call('SET', journal.notified, '1', 'PX', tonumber(ARGV[5]))
elseif #taken == 0 then
  redis.call('DEL', journal.notified)
end
return { full and 1 or 0, carried, taken, now, redis.call('HGETALL', key.fleet.aliases) }
