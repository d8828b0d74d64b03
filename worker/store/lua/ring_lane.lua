-- include: _kinds _call
-- Sends a message of a lane: there is more in its journal.
-- KEYS: 1 Celery queue of the lane
-- ARGV: 1 lane
must_be('list', KEYS[1])
call_for_lane(KEYS[1], ARGV[1])
return 1
