// What Pingti asks of Redis: five scripts, how their calls are written and their answers read.
//
// A scope of limits is two keys. `<prefix>:q1:{<owner>}:<subject>` is a hash with one field per
// bucket, `<used> <at> <window>`: used in units of 1/<window> of a request or token, at in
// microseconds; see bucket_rule.h. The same name with `:calls` is a sorted set of the calls at once
// by the time when their lease ends. The owner is the hash tag, so all keys of a script are on one
// node of a Redis Cluster. `q1` is the version of all this: one that changes it takes another name,
// so that old and new replicas may run side by side. Every key expires when its limits would be
// full again anyway.
//
// Time is that of Redis, in microseconds, unless a call brings its own. Pure functions and values,
// safe on any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "server/quota/bucket_rule.h"
#include "server/quota/bucket_set.h"
#include "server/quota/dimension.h"
#include "server/quota/store.h"

struct redisReply;

namespace pingti::quota {

// Most reservations whose leases one call renews.
inline constexpr size_t kRenewedPerCallMax = 100;

struct RedisScript {
  explicit RedisScript(std::string text);
  const std::string source;
  const std::string digest;  // by which Redis knows it, 40 hexadecimal digits
};

// All of them, to be loaded by a new connection.
std::span<const RedisScript* const> RedisScripts();

// A call of a script.
class RedisCall {
 public:
  RedisCall(const RedisScript& script, int keys);

  void Add(std::string_view argument);
  void Add(int64_t argument);

  // As it is sent. `whole`: with the text of the script, for a Redis that does not know the digest.
  std::string Encode(bool whole) const;

 private:
  const RedisScript* script_;  // lives for ever
  int count_ = 0;
  int keys_;
  std::string arguments_;
};

// One array of strings as Redis takes it, for commands that are no scripts.
std::string EncodeRedisCommand(std::span<const std::string_view> words);

// What Redis has to know of a BucketSet. REQUIRES: the set is not closed.
struct RedisScope {
  struct Limit {
    Dimension dimension = Dimension::kRequestsPerMinute;
    BucketRule rule;
    bool shadow = false;
  };

  RedisScope() = default;
  RedisScope(const BucketSet& set, std::string_view prefix);

  std::string level_key;
  std::string slots_key;
  std::array<Limit, kBucketCount> limits{};  // the first limit_count
  int limit_count = 0;
  int64_t slots = -1;  // calls at once; below 0: not limited
  bool slots_shadow = false;
  // Limits of 0 in shadow mode: they have no bucket and always would have refused.
  uint8_t zero_in_shadow = 0;
};

// What goes with every call: `now` by the clock of a test, nothing: that of Redis.
using RedisNow = std::optional<int64_t>;

RedisCall ReserveCall(std::span<const RedisScope> scopes, int64_t tokens, std::string_view member,
                      absl::Duration lease, RedisNow now);

struct RedisChange {
  int64_t tokens = 0;
  int64_t requests = 0;
  bool free_slot = false;
  ShadowByScope shadow_by_scope{};
};
// Nothing: there is nothing to change.
std::optional<RedisCall> ChangeCall(std::span<const RedisScope> scopes, const RedisChange& change,
                                    std::string_view member, RedisNow now);

// As QuotaStore::Correct() says. Nothing: the scope has no such bucket.
std::optional<RedisCall> CorrectCall(const RedisScope& scope, Dimension dimension,
                                     int64_t remaining, absl::Duration not_before, RedisNow now);

RedisCall ReadCall(std::span<const RedisScope> scopes, RedisNow now);

// REQUIRES: at most kRenewedPerCallMax members.
RedisCall RenewCall(std::string_view slots_key, std::span<const std::string> members,
                    absl::Duration lease, RedisNow now);

// Whether Redis can do what the others need: it writes.
RedisCall ProbeCall(std::string_view prefix);

// The answer to a ReserveCall.
struct RedisReserved {
  bool granted = false;
  ShadowByScope shadow_by_scope{};
  // Where not granted: what lacks the most.
  int scope = 0;
  Dimension dimension = Dimension::kRequestsPerMinute;
  Bucket::State state;
  absl::Duration wait;
  ScopeStates first_scope;
};
// Nothing: the reply is an error or makes no sense.
std::optional<RedisReserved> ReadReserved(const redisReply& reply,
                                          std::span<const RedisScope> scopes);

// The answer to a ReadCall. False: the reply is an error or makes no sense.
bool ReadStates(const redisReply& reply, std::span<const RedisScope> scopes,
                std::span<ScopeStates> states);

}  // namespace pingti::quota
