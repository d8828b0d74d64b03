-- Calls a worker: puts a Celery message into a queue, in the step that gives a reason for it.
-- Between the @ stand a task and its queue; `scripts.py` puts the message's envelope there.
local ENVELOPES = {
  routers = [==[@leasewire.converge routers@]==],
  events = [==[@leasewire.accept events@]==],
  bulk = [==[@leasewire.accept bulk@]==],
}

-- `key` of a queue, its name, and the task's arguments as JSON.
local function call(key, queue, arguments)
  local body = cjson.encode('[' .. arguments .. ', {}, {}]')
  local time = redis.call('TIME')
  local id = redis.sha1hex(arguments .. time[1] .. '.' .. time[2])
  local message = string.gsub(ENVELOPES[queue], '@id@', id)
  message = string.gsub(message, '"@body@"', function() return body end)
  redis.call('LPUSH', key, message)
end

local function call_for_router(key, name)
  call(key, 'routers', '[' .. cjson.encode(name) .. ']')
end

local function call_for_lane(key, lane)
  call(key, lane, '[[], "' .. lane .. '"]')
end
