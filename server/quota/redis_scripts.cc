#include "server/quota/redis_scripts.h"

#include <hiredis/hiredis.h>
#include <openssl/sha.h>

#include <utility>

#include "absl/strings/escaping.h"
#include "server/base/check.h"
#include "server/base/strings.h"
#include "server/quota/redis_lua.h"

namespace pingti::quota {
namespace {

constexpr int kSlot = static_cast<int>(Dimension::kCallsAtOnce);
static_assert(kSlot == 4 && kBucketUsedMax == 4503599627370495 && kSlotWait == absl::Seconds(1),
              "the scripts know these numbers");

// Numbers of an answer: before the states, and per state.
constexpr size_t kReservedHeadSize = 7;
constexpr size_t kStateSize = 3;

const RedisScript& Reserve() {
  static const auto& script = *new RedisScript(base::StrCat(kLuaPrelude, kLuaReserve));
  return script;
}
const RedisScript& ChangeScript() {
  static const auto& script = *new RedisScript(base::StrCat(kLuaPrelude, kLuaChange));
  return script;
}
const RedisScript& ReadScript() {
  static const auto& script = *new RedisScript(base::StrCat(kLuaPrelude, kLuaRead));
  return script;
}
const RedisScript& RenewScript() {
  static const auto& script = *new RedisScript(base::StrCat(kLuaPrelude, kLuaRenew));
  return script;
}
const RedisScript& ProbeScript() {
  static const auto& script = *new RedisScript(kLuaProbe);
  return script;
}

std::string DigestOf(std::string_view text) {
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof digest));
}

void AppendBulk(std::string* out, std::string_view text) {
  base::StrAppend(out, "$", text.size(), "\r\n", text, "\r\n");
}

int64_t AmountOf(Dimension dimension, int64_t tokens, int64_t requests) {
  return CountsTokens(dimension) ? tokens : requests;
}

RedisCall CallOf(const RedisScript& script, std::span<const RedisScope> scopes, RedisNow now) {
  RedisCall call(script, static_cast<int>(2 * scopes.size()));
  for (const RedisScope& scope : scopes) {
    call.Add(scope.level_key);
    call.Add(scope.slots_key);
  }
  now ? call.Add(*now) : call.Add("");
  return call;
}

void AddScope(const RedisScope& scope, int limit_count, RedisCall* call) {
  call->Add(limit_count);
  call->Add(scope.slots);
  call->Add(scope.slots_shadow ? "1" : "0");
}

void AddLimit(const RedisScope::Limit& limit, int64_t amount, bool flag, RedisCall* call) {
  call->Add(static_cast<int>(limit.dimension));
  call->Add(limit.rule.limit);
  call->Add(limit.rule.capacity);
  call->Add(limit.rule.window_ticks);
  call->Add(limit.rule.tick_us);
  call->Add(amount);
  call->Add(flag ? "1" : "0");
}

// The numbers of an answer that is an array of them.
class Numbers {
 public:
  explicit Numbers(const redisReply& reply) {
    if (reply.type != REDIS_REPLY_ARRAY) return;
    for (size_t i = 0; i < reply.elements; ++i) {
      if (reply.element[i]->type != REDIS_REPLY_INTEGER) return;
    }
    reply_ = &reply;
  }
  size_t left() const { return reply_ == nullptr ? 0 : reply_->elements - next_; }
  // REQUIRES: some are left.
  int64_t Next() { return reply_->element[next_++]->integer; }

 private:
  const redisReply* reply_ = nullptr;
  size_t next_ = 0;
};

// What the configuration says of a limit, with the state that Redis told.
std::optional<Bucket::State> StateOf(const RedisScope& scope, int64_t dimension, int64_t remaining,
                                     int64_t full_in_us) {
  Bucket::State state;
  state.remaining = remaining;
  state.full_in = absl::Microseconds(full_in_us);
  if (dimension == kSlot && scope.slots >= 0) {
    state.limit = state.capacity = scope.slots;
    return state;
  }
  for (int i = 0; i < scope.limit_count; ++i) {
    const RedisScope::Limit& limit = scope.limits[i];
    if (static_cast<int64_t>(limit.dimension) != dimension) continue;
    state.limit = limit.rule.limit;
    state.capacity = limit.rule.capacity;
    return state;
  }
  return std::nullopt;
}

bool ReadScope(Numbers* numbers, size_t count, const RedisScope& scope, ScopeStates* states) {
  if (count > kDimensionCount || numbers->left() < count * kStateSize) return false;
  for (size_t i = 0; i < count; ++i) {
    const int64_t dimension = numbers->Next();
    const int64_t remaining = numbers->Next();
    const std::optional<Bucket::State> state =
        StateOf(scope, dimension, remaining, numbers->Next());
    if (!state) return false;
    (*states)[dimension] = state;
  }
  for (int i = 0; i < kBucketCount; ++i) {
    if ((scope.zero_in_shadow >> i & 1) != 0) (*states)[i] = Bucket::State();
  }
  return true;
}

}  // namespace

RedisScript::RedisScript(std::string text) : source(std::move(text)), digest(DigestOf(source)) {}

std::span<const RedisScript* const> RedisScripts() {
  static const RedisScript* const scripts[] = {&Reserve(), &ChangeScript(), &ReadScript(),
                                               &RenewScript(), &ProbeScript()};
  return scripts;
}

RedisCall::RedisCall(const RedisScript& script, int keys) : script_(&script), keys_(keys) {}

void RedisCall::Add(std::string_view argument) {
  AppendBulk(&arguments_, argument);
  ++count_;
}

void RedisCall::Add(int64_t argument) { Add(std::string_view(base::StrCat(argument))); }

std::string RedisCall::Encode(bool whole) const {
  std::string text = base::StrCat("*", count_ + 3, "\r\n");
  text.reserve(text.size() + arguments_.size() + (whole ? script_->source.size() : 0) + 96);
  AppendBulk(&text, whole ? "EVAL" : "EVALSHA");
  AppendBulk(&text, whole ? script_->source : script_->digest);
  AppendBulk(&text, base::StrCat(keys_));
  text += arguments_;
  return text;
}

std::string EncodeRedisCommand(std::span<const std::string_view> words) {
  std::string text = base::StrCat("*", words.size(), "\r\n");
  for (const std::string_view word : words) AppendBulk(&text, word);
  return text;
}

RedisScope::RedisScope(const BucketSet& set, std::string_view prefix)
    : level_key(base::StrCat(prefix, ":q1:{", set.owner(), "}:", set.subject())),
      slots_key(level_key + ":calls") {
  for (int i = 0; i < kDimensionCount; ++i) {
    const auto dimension = static_cast<Dimension>(i);
    const std::optional<config::Limit>& limit = set.limit(dimension);
    if (!limit) continue;
    if (dimension == Dimension::kCallsAtOnce) {
      slots = limit->limit;
      slots_shadow = limit->shadow;
    } else if (limit->limit == 0) {
      PINGTI_CHECK(limit->shadow, "closed sets are refused before");
      zero_in_shadow |= ShadowBit(dimension);
    } else {
      limits[limit_count++] =
          Limit{.dimension = dimension,
                .rule = BucketRule::For(limit->limit, limit->capacity(), WindowOf(dimension)),
                .shadow = limit->shadow};
    }
  }
}

RedisCall ReserveCall(std::span<const RedisScope> scopes, int64_t tokens, std::string_view member,
                      absl::Duration lease, RedisNow now) {
  RedisCall call = CallOf(Reserve(), scopes, now);
  call.Add(member);
  call.Add(absl::ToInt64Microseconds(lease));
  for (const RedisScope& scope : scopes) {
    AddScope(scope, scope.limit_count, &call);
    for (int i = 0; i < scope.limit_count; ++i) {
      const RedisScope::Limit& limit = scope.limits[i];
      AddLimit(limit, AmountOf(limit.dimension, tokens, 1), limit.shadow, &call);
    }
  }
  return call;
}

std::optional<RedisCall> ChangeCall(std::span<const RedisScope> scopes, const RedisChange& change,
                                    std::string_view member, RedisNow now) {
  RedisCall call = CallOf(ChangeScript(), scopes, now);
  call.Add(change.free_slot ? member : "");
  call.Add(0);
  bool any = false;
  for (size_t s = 0; s < scopes.size(); ++s) {
    const RedisScope& scope = scopes[s];
    std::array<std::pair<const RedisScope::Limit*, int64_t>, kBucketCount> changed;
    int count = 0;
    for (int i = 0; i < scope.limit_count; ++i) {
      const RedisScope::Limit& limit = scope.limits[i];
      const int64_t amount = AmountOf(limit.dimension, change.tokens, change.requests);
      const bool spared =
          limit.shadow && (change.shadow_by_scope[s] & ShadowBit(limit.dimension)) != 0;
      if (amount != 0 && !spared) changed[count++] = {&limit, amount};
    }
    AddScope(scope, count, &call);
    for (int i = 0; i < count; ++i) AddLimit(*changed[i].first, changed[i].second, false, &call);
    any = any || count > 0 || (change.free_slot && scope.slots >= 0);
  }
  if (!any) return std::nullopt;
  return call;
}

std::optional<RedisCall> CorrectCall(const RedisScope& scope, Dimension dimension,
                                     int64_t remaining, absl::Duration not_before, RedisNow now) {
  for (int i = 0; i < scope.limit_count; ++i) {
    if (scope.limits[i].dimension != dimension) continue;
    RedisCall call = CallOf(ChangeScript(), {&scope, 1}, now);
    call.Add("");
    call.Add(BucketRule::NotBeforeMicros(not_before));
    AddScope(scope, 1, &call);
    AddLimit(scope.limits[i], remaining, true, &call);
    return call;
  }
  return std::nullopt;
}

RedisCall ReadCall(std::span<const RedisScope> scopes, RedisNow now) {
  RedisCall call = CallOf(ReadScript(), scopes, now);
  for (const RedisScope& scope : scopes) {
    AddScope(scope, scope.limit_count, &call);
    for (int i = 0; i < scope.limit_count; ++i) AddLimit(scope.limits[i], 0, false, &call);
  }
  return call;
}

RedisCall RenewCall(std::string_view slots_key, std::span<const std::string> members,
                    absl::Duration lease, RedisNow now) {
  PINGTI_CHECK(!members.empty() && members.size() <= kRenewedPerCallMax, "a batch is bounded");
  RedisCall call(RenewScript(), 1);
  call.Add(slots_key);
  now ? call.Add(*now) : call.Add("");
  call.Add(absl::ToInt64Microseconds(lease));
  for (const std::string& member : members) call.Add(std::string_view(member));
  return call;
}

RedisCall ProbeCall(std::string_view prefix) {
  RedisCall call(ProbeScript(), 1);
  call.Add(std::string_view(base::StrCat(prefix, ":q1:probe")));
  return call;
}

std::optional<RedisReserved> ReadReserved(const redisReply& reply,
                                          std::span<const RedisScope> scopes) {
  Numbers numbers(reply);
  if (numbers.left() < kReservedHeadSize) return std::nullopt;
  RedisReserved reserved;
  reserved.granted = numbers.Next() == 1;
  const int64_t shadow = numbers.Next();
  const int64_t scope = numbers.Next();
  const int64_t dimension = numbers.Next();
  const int64_t wait_us = numbers.Next();
  const int64_t remaining = numbers.Next();
  const int64_t full_in_us = numbers.Next();
  if (reserved.granted) {
    for (size_t i = 0; i < scopes.size(); ++i) {
      reserved.shadow_by_scope[i] =
          static_cast<uint8_t>(shadow >> 8 * i) | scopes[i].zero_in_shadow;
    }
  } else {
    if (scope < 0 || scope >= static_cast<int64_t>(scopes.size())) return std::nullopt;
    const std::optional<Bucket::State> state =
        StateOf(scopes[scope], dimension, remaining, full_in_us);
    if (!state) return std::nullopt;
    reserved.scope = static_cast<int>(scope);
    reserved.dimension = static_cast<Dimension>(dimension);
    reserved.state = *state;
    reserved.wait = wait_us < 0 ? absl::InfiniteDuration() : absl::Microseconds(wait_us);
  }
  if (!ReadScope(&numbers, numbers.left() / kStateSize, scopes[0], &reserved.first_scope)) {
    return std::nullopt;
  }
  return reserved;
}

bool ReadStates(const redisReply& reply, std::span<const RedisScope> scopes,
                std::span<ScopeStates> states) {
  Numbers numbers(reply);
  for (size_t i = 0; i < scopes.size(); ++i) {
    if (numbers.left() == 0) return false;
    const int64_t count = numbers.Next();
    if (count < 0 || !ReadScope(&numbers, static_cast<size_t>(count), scopes[i], &states[i])) {
      return false;
    }
  }
  return true;
}

}  // namespace pingti::quota
