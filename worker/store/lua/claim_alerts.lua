-- include: _kinds
-- Hands a reader the changes behind its cursor and moves the cursor: each change goes to it once.
-- KEYS: 1 changes, 2 cursors
-- ARGV: 1 reader, 2 changes at the most
-- Returns {{id, {field, value, …}}, …}.
must_be('stream', KEYS[1])
must_be('hash', KEYS[2])
local from = redis.call('HGET', KEYS[2], ARGV[1])
local found = redis.call('XRANGE', KEYS[1], from and '(' .. from or '-', '+', 'COUNT', ARGV[2])
if #found > 0 then
  redis.call('HSET', KEYS[2], ARGV[1], found[#found][1])
end
return found
