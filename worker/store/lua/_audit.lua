-- The audit trail: what people did, the newest entries (`audit.py`). Empty texts are part of a larger
-- write, which has an entry of its own.
local AUDIT_MOST = 10000

local function record_action(text)
  if text ~= '' then
    redis.call('XADD', key.audit, 'MAXLEN', AUDIT_MOST, '*', 'entry', text)
  end
end
