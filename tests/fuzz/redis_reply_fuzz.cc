// Answers of a Redis that is not the one we know, on any bytes: they are refused, or speak of
// limits that the scopes have.
//
// Input: a byte that picks the limits of two scopes, then the bytes of the replies. Where they
// announce an array of more than 9,999 elements, hiredis would make room for it: they are left out.
#include <hiredis/hiredis.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "server/base/check.h"
#include "server/quota/bucket_set.h"
#include "server/quota/redis_scripts.h"

namespace pingti::quota {
namespace {

constexpr int kRepliesMax = 64;

config::ClassLimits LimitsOf(unsigned bits) {
  config::ClassLimits limits;
  if ((bits & 1) != 0) limits.requests_per_minute = 500;
  if ((bits & 2) != 0) limits.tokens_per_minute = config::Limit(30'000, 1'000, true);
  if ((bits & 4) != 0) limits.requests_per_day = config::Limit(0, 0, true);
  if ((bits & 8) != 0) limits.calls_at_once = 7;
  return limits;
}

bool Has(const config::ClassLimits& limits, size_t dimension) {
  return LimitOf(limits, static_cast<Dimension>(dimension)).has_value();
}

void CheckStates(const ScopeStates& states, const config::ClassLimits& limits) {
  for (size_t i = 0; i < states.size(); ++i) {
    if (!states[i]) continue;
    PINGTI_CHECK(Has(limits, i), "it is one of our limits");
    PINGTI_CHECK(states[i]->limit == LimitOf(limits, static_cast<Dimension>(i))->limit,
                 "how large it is we know ourselves");
  }
}

void Check(const redisReply& reply, unsigned bits) {
  const std::array<config::ClassLimits, 2> limits = {LimitsOf(bits), LimitsOf(bits >> 4)};
  const BucketSet first("tenant:a/class:c", limits[0]);
  const BucketSet second("tenant:a/key:k", limits[1]);
  const std::array<RedisScope, 2> scopes = {RedisScope(first, "fuzz"), RedisScope(second, "fuzz")};
  if (const auto reserved = ReadReserved(reply, scopes)) {
    CheckStates(reserved->first_scope, limits[0]);
    if (!reserved->granted) {
      PINGTI_CHECK(reserved->scope == 0 || reserved->scope == 1, "it is one of our scopes");
      PINGTI_CHECK(Has(limits[static_cast<size_t>(reserved->scope)],
                       static_cast<size_t>(reserved->dimension)),
                   "it is one of our limits");
      PINGTI_CHECK(reserved->wait >= absl::ZeroDuration(), "nobody waits backwards");
    }
  }
  std::array<ScopeStates, 2> states;
  if (ReadStates(reply, scopes, states)) {
    CheckStates(states[0], limits[0]);
    CheckStates(states[1], limits[1]);
  }
}

bool AnnouncesMuch(std::string_view bytes) {
  constexpr size_t kDigitsMax = 4;
  size_t digits = 0;
  bool is_count = false;
  for (const char c : bytes) {
    if (std::string_view("*%~>").find(c) != std::string_view::npos) {
      is_count = true;
      digits = 0;
    } else if (c == '\r' || c == '\n') {
      is_count = false;
    } else if (is_count && ++digits > kDigitsMax) {
      return true;
    }
  }
  return false;
}

void Run(std::string_view input) {
  if (input.empty() || AnnouncesMuch(input)) return;
  const auto bits = static_cast<uint8_t>(input[0]);
  input.remove_prefix(1);
  const std::unique_ptr<redisReader, void (*)(redisReader*)> reader(redisReaderCreate(),
                                                                    redisReaderFree);
  redisReaderFeed(reader.get(), input.data(), input.size());
  for (int i = 0; i < kRepliesMax; ++i) {
    void* reply = nullptr;
    if (redisReaderGetReply(reader.get(), &reply) != REDIS_OK || reply == nullptr) return;
    Check(*static_cast<redisReply*>(reply), bits);
    freeReplyObject(reply);
  }
}

}  // namespace
}  // namespace pingti::quota

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  pingti::quota::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
