-- Notifies workers: puts a Celery message into a queue, in the same step as the reason for it. `scripts.py`
-- replaces the @task queue@ by the envelope of a message.
local ENVELOPES = {
  routers = [==[@leasewire.converge routers@]==],
  events = [==[@leasewire.accept events@]==],
  bulk = [==[@leasewire.accept bulk@]==],
}

local function message_of(queue, arguments)
  local body = cjson.encode('[' .. arguments .. ', {}, {}]')
  local id = redis.sha1hex(arguments .. table.concat(clock(), '.'))
  local message = string.gsub(ENVELOPES[queue], '@id@', id)
  return (string.gsub(message, '"@body@"', function() return body end))
end

-- Returns how many messages there are now, if it sent any, else 0.
local function notify_routers(names)
  local messages = {}
  for i, name in ipairs(names) do
    messages[i] = message_of('routers', '[' .. cjson.encode(name) .. ']')
  end
  local lengths = call_many('LPUSH', { key.queue('routers') }, messages)
  return lengths[#lengths] or 0
end

local function notify_lane(lane)
  redis.call('LPUSH', key.queue(lane), message_of(lane, '[[], "' .. lane .. '"]'))
end
