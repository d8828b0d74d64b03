-- include: _time _many _call
-- Sends a message of a lane: there is more in its journal.
-- ARGV: 1 lane
call_for_lane(ARGV[1])
return 1
