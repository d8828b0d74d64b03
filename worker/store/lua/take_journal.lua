-- include: _time _kinds
-- Takes what is due from one lane of the journal, and says what of the message's own events is to
-- be worked on. An event that is begun for the first time is counted here.
-- KEYS: 1 journal body, 2 journal due, 3 rung flag, 4 attempts, 5 former names of routers, 6 of this take
-- ARGV: 1 how many at the most, 2 how long they are ours (ms), 3 lifetime of the flag (ms),
--       4.. keys of events that the message itself carries
-- Returns {full, {for each carried event how often it was begun before, or -1: the journal has
-- it}, {key, body, begun before, key, body, begun before, …}, now, {former name, name, …}}. What
-- is carried and due in the journal is taken from there. If nothing is, the flag goes: the next
-- publish rings. Else it stays until the commit of what was taken: that looks again. A client that
-- heard no answer asks again: what it took then is its own still.
must_be('hash', KEYS[1], KEYS[4], KEYS[5])
must_be('zset', KEYS[2])
must_be('string', KEYS[3], KEYS[6])
local now = now_ms()
local most = tonumber(ARGV[1])
local mine_until = tonumber(redis.call('GET', KEYS[6]) or 0)
local again = mine_until > now
if not again then
  mine_until = now + tonumber(ARGV[2])
  -- by it this take is told from all others
  while redis.call('ZCOUNT', KEYS[2], whole(mine_until), whole(mine_until)) > 0 do
    mine_until = mine_until + 1
  end
end
mine_until = whole(mine_until)
local taken = {}

local function begin(key)
  local begun = tonumber(redis.call('HGET', KEYS[4], key) or 0)
  if begun == 0 then
    redis.call('HSET', KEYS[4], key, 1)
  elseif again and begun == 1 then
    begun = 0
  end
  return begun
end

-- Takes those that are there, with as few commands for many as for one; returns whether any is.
local function take(keys)
  local due, first_tries, gone = {}, {}, {}
  local bodies, tries = call_many('HMGET', KEYS[1], keys), call_many('HMGET', KEYS[4], keys)
  for i, key in ipairs(keys) do
    local begun = tonumber(tries[i] or 0)
    if not bodies[i] then
      gone[#gone + 1] = key
    else
      due[#due + 1] = mine_until
      due[#due + 1] = key
      if begun == 0 then
        first_tries[#first_tries + 1] = key
        first_tries[#first_tries + 1] = 1
      elseif again and begun == 1 then
        begun = 0
      end
      for _, each in ipairs({ key, bodies[i], begun }) do
        taken[#taken + 1] = each
      end
    end
  end
  call_many('ZREM', KEYS[2], gone)
  call_many('ZADD', KEYS[2], due)
  call_many('HSET', KEYS[4], first_tries)
  return #due > 0
end

local carried = {}
for i = 4, #ARGV do
  local due = tonumber(redis.call('ZSCORE', KEYS[2], ARGV[i]) or nil)
  local there = due and (due > now or take({ ARGV[i] }))
  carried[#carried + 1] = there and -1 or begin(ARGV[i])
end
local due = again and redis.call('ZRANGEBYSCORE', KEYS[2], mine_until, mine_until)
  or redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', whole(now), 'LIMIT', 0, most)
take(due)
if not again and (#taken > 0 or #carried > 0) then
  redis.call('SET', KEYS[6], mine_until, 'PX', tonumber(ARGV[2]))
end
local full = #due >= most
if full then
  redis.call('SET', KEYS[3], '1', 'PX', tonumber(ARGV[3]))
elseif #taken == 0 then
  redis.call('DEL', KEYS[3])
end
return { full and 1 or 0, carried, taken, now, redis.call('HGETALL', KEYS[5]) }
