// The text of the scripts that redis_scripts.h calls. Constants.
#pragma once

#include "server/quota/redis_lua_prelude.h"

namespace pingti::quota {

// Arguments: now, member, lease, scopes. Flag of a limit: it is in shadow mode. Answer: granted,
// bits of shadow refusals (a byte for each scope), scope, dimension, wait (-1: for ever), remaining
// and full_in of what refuses, then the states of the first scope.
inline constexpr char kLuaReserve[] = R"lua(
local member, lease = ARGV[2], tonumber(ARGV[3])
at = 4
local scopes, shadow, lacking = {}, 0, nil

-- Each limit of a scope at most once.
local function spare(index, name) shadow = shadow + 256 ^ index * 2 ^ tonumber(name) end

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
        spare(i - 1, limit.name)
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
        spare(i - 1, '4')
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
  out = {1, shadow, 0, 0, 0, 0, 0}
end
append_states(out, scopes[1])
return out
)lua";

// Arguments: now, member (empty: frees no slot), not_before, scopes. Flag of a limit: at most
// `amount` may remain, and where not_before is above 0, none before that many microseconds have
// passed; else that much more is taken, or given back.
inline constexpr char kLuaChange[] = R"lua(
local member, not_before = ARGV[2], tonumber(ARGV[3])
at = 4

-- What is used at least of a limit that is corrected.
local function corrected(limit)
  local left = max(0, math.min(limit.amount, limit.capacity))
  local used = (limit.capacity - left) * limit.window
  if not_before <= 0 then return used end
  local all_but_one = (limit.capacity - 1) * limit.window
  local ticks = max(1, ceil((now + not_before) / limit.tick) - limit.at)
  local ticks_max = floor((USED_MAX - all_but_one) / limit.limit)
  return max(used, all_but_one + math.min(ticks, ticks_max) * limit.limit)
end

for i = 1, #KEYS / 2 do
  local scope = scope_of(KEYS[2 * i - 1], KEYS[2 * i])
  for _, limit in ipairs(scope.limits) do
    if limit.flag then
      limit.used = max(limit.used, corrected(limit))
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
