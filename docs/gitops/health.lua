-- Health of a VideoJob for Argo CD: data of argocd-cm under
-- resource.customizations.health.videojob.dev_VideoJob (docs/guide/gitops.md says how).
-- Argo CD runs it with the object as `obj`; it must return a table with status and message.

local HEALTH = {
  Succeeded = "Healthy",
  Suspended = "Suspended",
  Failed = "Degraded",
  Rejected = "Degraded",
  Cancelled = "Degraded",
}

local function stalled(conditions)
  for _, condition in ipairs(conditions or {}) do
    if condition.type == "Stalled" and condition.status == "True" then
      return true
    end
  end
  return false
end

local status = obj.status
if status == nil or status.phase == nil then
  return { status = "Progressing", message = "The operator has not seen it yet." }
end
if status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "The operator has not seen the newest change yet." }
end

local health = HEALTH[status.phase]
if health == nil then
  -- Pending, Queued, Running, Cancelling: under way, unless a person has to mend something.
  health = stalled(status.conditions) and "Degraded" or "Progressing"
end
return { status = health, message = status.message or status.phase }
