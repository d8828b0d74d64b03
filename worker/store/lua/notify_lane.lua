-- Notifies a worker of a lane: there is more in its journal.
-- ARGV: 1 lane
notify_lane(ARGV[1])
return 1
