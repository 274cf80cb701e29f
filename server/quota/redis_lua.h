// The text of the scripts that redis_scripts.h calls. Constants.
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
  used, window = tonumber(used), tonumber(window)
  since = ceil(since / limit.tick)
  if window ~= limit.window then  -- written under a limit with another tick
    used = math.min(USED_MAX, ceil(used / window * limit.window))
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

// Arguments: now, member, lease, scopes. Flag of a limit: it is in shadow mode. Answer: granted,
// bits of shadow refusals, scope, dimension, wait (-1: for ever), remaining and full_in of what
// refuses, then the states of the first scope.
inline constexpr char kLuaReserve[] = R"lua(
local member, lease = ARGV[2], tonumber(ARGV[3])
at = 4
local scopes, shadow, lacking = {}, {}, nil

local function lacks(index, name, wait, left, full)
  if lacking and wait <= lacking.wait then return end
  lacking = {scope = index, name = name, wait = wait, left = left, full = full}
end

for i = 1, #KEYS / 2 do
  local scope = scope_of(KEYS[2 * i - 1], KEYS[2 * i])
  scopes[i] = scope
  for _, limit in ipairs(scope.limits) do
    local over = limit.used + (limit.amount - limit.capacity) * limit.window
    if limit.amount > limit.capacity or over > 0 then
      if limit.flag then
        limit.spared = true
        shadow[limit.name] = true
      else
        local wait = math.huge
        if limit.amount <= limit.capacity then wait = until_back(limit, over) end
        lacks(i - 1, limit.name, wait, remaining(limit), full_in(limit))
      end
    end
  end
  if scope.slots >= 0 then
    redis.call('ZREMRANGEBYSCORE', scope.slots_key, '-inf', text(now))
    scope.taken = redis.call('ZCARD', scope.slots_key)
    if scope.taken >= scope.slots then
      if scope.slots_shadow then
        shadow['4'] = true
      else
        lacks(i - 1, '4', SLOT_WAIT, scope.slots - scope.taken,
              scope.taken == 0 and 0 or SLOT_WAIT)
      end
    end
  end
end

local out
if lacking then
  local wait = lacking.wait == math.huge and -1 or lacking.wait
  out = {0, 0, lacking.scope, tonumber(lacking.name), wait, lacking.left, lacking.full}
else
  local bits = 0
  for name in pairs(shadow) do bits = bits + 2 ^ tonumber(name) end
  for _, scope in ipairs(scopes) do
    for _, limit in ipairs(scope.limits) do
      if not limit.spared then limit.used = limit.used + limit.amount * limit.window end
    end
    save(scope)
    if scope.slots >= 0 then
      lease_slot(scope.slots_key, lease, text(now + lease), member)
      scope.taken = scope.taken + 1
    end
  end
  out = {1, bits, 0, 0, 0, 0, 0}
end
append_states(out, scopes[1])
return out
)lua";

// Arguments: now, member (empty: frees no slot), scopes. Flag of a limit: at most `amount` may
// remain; else that much more is taken, or given back.
inline constexpr char kLuaChange[] = R"lua(
local member = ARGV[2]
at = 3
for i = 1, #KEYS / 2 do
  local scope = scope_of(KEYS[2 * i - 1], KEYS[2 * i])
  for _, limit in ipairs(scope.limits) do
    if limit.flag then
      local left = max(0, math.min(limit.amount, limit.capacity))
      limit.used = max(limit.used, (limit.capacity - left) * limit.window)
    else
      local amount, units = math.abs(limit.amount), USED_MAX
      if amount <= floor(USED_MAX / limit.window) then units = amount * limit.window end
      if limit.amount < 0 then units = -units end
      limit.used = max(0, math.min(USED_MAX, limit.used + units))
    end
  end
  save(scope)
  if member ~= '' and scope.slots >= 0 then redis.call('ZREM', scope.slots_key, member) end
end
return 1
)lua";

// Arguments: now, scopes. Answer: per scope the number of limits, then their states.
inline constexpr char kLuaRead[] = R"lua(
local out = {}
for i = 1, #KEYS / 2 do
  local scope = scope_of(KEYS[2 * i - 1], KEYS[2 * i])
  if scope.slots >= 0 then
    scope.taken = redis.call('ZCOUNT', scope.slots_key, '(' .. text(now), '+inf')
  end
  out[#out + 1] = #scope.limits + (scope.slots >= 0 and 1 or 0)
  append_states(out, scope)
end
return out
)lua";

// Arguments: now, lease, members. Also brings back what a restarted Redis has forgotten.
inline constexpr char kLuaRenew[] = R"lua(
local lease = tonumber(ARGV[2])
local entries = {}
for i = 3, #ARGV do
  entries[#entries + 1] = text(now + lease)
  entries[#entries + 1] = ARGV[i]
end
lease_slot(KEYS[1], lease, unpack(entries))
return 1
)lua";

inline constexpr char kLuaProbe[] = R"lua(
redis.call('SET', KEYS[1], '1', 'PX', '1000')
return 1
)lua";

}  // namespace pingti::quota
