-- Health of a ChangePlan in Argo CD. Needs the base library only.
-- Plans are a record: one that was rejected, superseded, withdrawn or has expired is over, and nothing is wrong with it.

-- What awaits a person is not at work, and nothing is wrong with it.
local waiting = "Suspended"

if obj.metadata.deletionTimestamp ~= nil then
  return { status = "Progressing", message = "being deleted" }
end

local status = obj.status or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local function is(type, value)
  return conditions[type] ~= nil and conditions[type].status == value
end

local function because(type)
  return (conditions[type].reason or type) .. ": " .. (conditions[type].message or "")
end

-- A status that speaks of an older spec says nothing about this one.
if status.observedGeneration == nil or status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "not yet looked at by Stackgate" }
end
if is("Stalled", "True") then
  return { status = "Degraded", message = because("Stalled") }
end
if is("Reconciling", "True") then
  return { status = "Progressing", message = because("Reconciling") }
end
if status.state == "Failed" then
  return { status = "Degraded", message = "Failed: " .. (conditions["Ready"] and conditions["Ready"].message or "") }
end
if is("Waiting", "True") then
  return { status = waiting, message = because("Waiting") }
end
-- What is left is over, one way or the other.
return { status = "Healthy", message = status.state or "" }
