-- Fields of a router's hashes: read once and many at a time, and written when the script has ended,
-- one command a hash (`scripts.py` sees to that). So a script that fails on the way writes none of
-- them. Nothing else may read these hashes in a script that may have changed them.
local field_texts, fields_changed = {}, {}

-- Reads those of the fields that are not known yet.
local function fetch(key, fields)
  local known = field_texts[key] or {}
  field_texts[key] = known
  local wanted = {}
  for _, field in ipairs(fields) do
    if known[field] == nil then
      wanted[#wanted + 1] = field
    end
  end
  for i, text in ipairs(call_many('HMGET', key, wanted)) do
    known[wanted[i]] = text
  end
end

-- The text of a field; false: there is none.
local function get(key, field)
  local known = field_texts[key]
  if not known or known[field] == nil then
    fetch(key, { field })
  end
  return field_texts[key][field]
end

-- Changes a field; false removes it.
local function put(key, field, text)
  field_texts[key] = field_texts[key] or {}
  field_texts[key][field] = text
  fields_changed[key] = fields_changed[key] or {}
  fields_changed[key][field] = true
end

local function write_fields()
  for key, fields in pairs(fields_changed) do
    local kept, gone = {}, {}
    for field in pairs(fields) do
      local text = field_texts[key][field]
      if text then
        kept[#kept + 1] = field
        kept[#kept + 1] = text
      else
        gone[#gone + 1] = field
      end
    end
    call_many('HSET', key, kept)
    call_many('HDEL', key, gone)
  end
end
