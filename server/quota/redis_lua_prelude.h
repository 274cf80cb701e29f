// What the scripts of redis_lua.h have in common. A constant.
#pragma once

namespace pingti::quota {

// Stands before each of the others but the probe.
//
// Lua's numbers are doubles. All that is computed here are integers below 2^53, for which they are
// exact: kBucketUsedMax is 2^52 - 1, and two such may be added. The quotient of two of them never
// rounds across a whole number, so floor() and ceil() of it are exact as well.
inline constexpr char kLuaPrelude[] = R"lua(
local floor, ceil, max = math.floor, math.ceil, math.max
local USED_MAX = 4503599627370495
local SLOT_WAIT = 1000000
local MARGIN_MS = 60000

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local at = 2  -- the next argument

local function text(number) return string.format('%.0f', number) end

-- The level of a limit, from its field, refilled up to now. A clock that went back refills nothing.
local function level(limit, field)
  local tick = floor(now / limit.tick)
  limit.used, limit.at = 0, tick
  if not field then return end
  local used, since, window = string.match(field, '^(%d+) (%d+) (%d+)$')
  if not used then return end
  used, window = tonumber(used), max(1, tonumber(window))
  since = ceil(since / limit.tick)
  -- Written under a limit with another tick: one window is a power of ten times the other.
  if window > limit.window then
    used = ceil(used / (window / limit.window))
  elseif window < limit.window then
    used = math.min(USED_MAX, used * (limit.window / window))
  end
  local elapsed = tick - since
  if elapsed <= 0 then
    limit.used, limit.at = used, since
  elseif elapsed <= floor(used / limit.limit) then
    limit.used = used - elapsed * limit.limit
  end
end

-- The limits of a scope from the arguments, their levels from its hash.
local function scope_of(level_key, slots_key)
  local scope = {key = level_key, slots_key = slots_key, limits = {}}
  local names = {}
  local count = tonumber(ARGV[at])
  scope.slots, scope.slots_shadow = tonumber(ARGV[at + 1]), ARGV[at + 2] == '1'
  at = at + 3
  for i = 1, count do
    names[i] = ARGV[at]
    scope.limits[i] = {
      name = ARGV[at], limit = tonumber(ARGV[at + 1]), capacity = tonumber(ARGV[at + 2]),
      window = tonumber(ARGV[at + 3]), tick = tonumber(ARGV[at + 4]),
      amount = tonumber(ARGV[at + 5]), flag = ARGV[at + 6] == '1'}
    at = at + 7
  end
  if count > 0 then
    local fields = redis.call('HMGET', level_key, unpack(names))
    for i = 1, count do level(scope.limits[i], fields[i]) end
  end
  return scope
end

-- Microseconds until `units` have come back.
local function until_back(limit, units)
  return (limit.at + ceil(units / limit.limit)) * limit.tick - now
end

local function full_in(limit)
  return limit.used == 0 and 0 or until_back(limit, limit.used)
end

local function remaining(limit)
  return limit.capacity - ceil(limit.used / limit.window)
end

-- The key lives that long at least.
local function keep(key, ms)
  if redis.call('PTTL', key) < ms then redis.call('PEXPIRE', key, text(ms)) end
end

-- Writes all levels but those of which nothing was taken.
local function save(scope)
  local fields, last = {}, 0
  for _, limit in ipairs(scope.limits) do
    if not limit.spared then
      fields[#fields + 1] = limit.name
      fields[#fields + 1] =
          text(limit.used) .. ' ' .. text(limit.at * limit.tick) .. ' ' .. text(limit.window)
      last = max(last, full_in(limit))
    end
  end
  if #fields == 0 then return end
  redis.call('HSET', scope.key, unpack(fields))
  keep(scope.key, ceil(last / 1000) + MARGIN_MS)
end

local function lease_slot(key, lease, ...)
  redis.call('ZADD', key, ...)
  keep(key, ceil(lease / 1000) + MARGIN_MS)
end

-- Appends the state of every limit of a scope to `out`: three numbers each.
local function append_states(out, scope)
  for _, limit in ipairs(scope.limits) do
    out[#out + 1] = tonumber(limit.name)
    out[#out + 1] = remaining(limit)
    out[#out + 1] = full_in(limit)
  end
  if scope.slots >= 0 then
    out[#out + 1] = 4
    out[#out + 1] = scope.slots - scope.taken
    out[#out + 1] = scope.taken == 0 and 0 or SLOT_WAIT
  end
end
)lua";

}  // namespace pingti::quota
