-- include: _time _many _writes _router _work_items _in_flight _notified _notify
-- Marks services of one router to be looked at.
-- ARGV: 1 router, 2 stamp, 3 priority, 4 in how many ms, 5 whether rows of which no record tells
--       may be there 1|0, 6.. services
-- Returns 1 when a message was sent for the router.
local router = router_named(ARGV[1])
local priority, delay = tonumber(ARGV[3]), tonumber(ARGV[4])
local due = now_ms() + delay
local services = { unpack(ARGV, 6) }
fetch_scores(router.due, services)
for _, service in ipairs(services) do
  if ARGV[5] == '1' then
    check_closely(router, service)
  end
  add_work(router, service, priority, due, ARGV[2])
end
return delay == 0 and notify({ [router.name] = true }) or 0
