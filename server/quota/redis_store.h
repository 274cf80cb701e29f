// The limits that all replicas share, in Redis.
//
// A reservation is one round trip: one script looks at all limits of all scopes by Redis' own
// clock, and takes from all or from none. What comes after a call is sent without waiting. An
// operation that is not answered within `redis.timeout` is over for its caller: while the store
// cannot be reached the tier decides, see when_store_is_down, and what it decides is settled here,
// in this process. A grant that comes too late is given back.
//
// Calls at once are leases: this worker renews those of its open reservations, so the slots of a
// replica that dies come back after kSlotLease, and a Redis that has forgotten them learns them
// again.
//
// Not exact across a loss of Redis' data: the limits are then full, as after a restart of a single
// process. Belongs to the worker's loop thread; see RedisConnection for its end.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/base/event_loop.h"
#include "server/base/random.h"
#include "server/base/signal.h"
#include "server/config/config.h"
#include "server/quota/memory_store.h"
#include "server/quota/redis_connection.h"
#include "server/quota/redis_scripts.h"
#include "server/quota/store.h"
#include "server/quota/store_health.h"
#include "server/telemetry/store_stats.h"

namespace pingti::quota {

inline constexpr absl::Duration kSlotLease = absl::Seconds(15);
// Calls of a script that renew leases, sent at a time; the next ones follow kRenewPause later.
inline constexpr int kRenewCallsMax = 32;
inline constexpr absl::Duration kRenewPause = absl::Milliseconds(5);

// What a RedisStore works with; all of it outlives the store.
struct RedisStoreParts {
  base::EventLoop* loop = nullptr;
  const base::Clock* clock = nullptr;
  base::Random* random = nullptr;
  const config::Redis* config = nullptr;
  StoreHealth* health = nullptr;  // one for all workers
  telemetry::StoreStats* stats = nullptr;
};

struct RedisStoreOptions {
  absl::Duration lease = kSlotLease;
  // Microseconds, instead of Redis' own clock.
  std::function<int64_t()> clock_for_tests;
};

class RedisStore final : public QuotaStore, private RedisConnection::Observer {
 public:
  explicit RedisStore(const RedisStoreParts& parts, RedisStoreOptions options = {});

  void Reserve(const Demand& demand, base::Instant now, ReserveReply* reply,
               base::Signal* signal) override;
  void Apply(const Change& change, base::Instant now) override;
  void Read(std::span<BucketSet* const> scopes, base::Instant now, ReadReply* reply,
            base::Signal* signal) override;
  void Correct(BucketSet& scope, Dimension dimension, int64_t remaining, absl::Duration not_before,
               base::Instant now) override;

  // Whether operations go to Redis now.
  bool in_use() const { return connection_.ready() && parts_.health->up(); }

 private:
  class Command;
  class ReserveCommand;
  class ReadCommand;
  class ChangeCommand;
  class RenewCommand;
  class ProbeCommand;
  using Scopes = std::vector<RedisScope>;

  void OnReady() override;
  void OnBroken(bool was_ready, bool with_commands, std::string_view why) override;

  Scopes ScopesOf(std::span<BucketSet* const> sets) const;
  RedisNow ScriptNow() const;
  std::string MemberOf(uint64_t id) const;
  // Whether `command` is on its way.
  bool Send(std::unique_ptr<Command> command);
  // Also where it may be lost.
  void SendChange(const Scopes& scopes, const RedisChange& change, uint64_t id);
  void NoteFailure(telemetry::StoreFailure failure, std::string_view why);
  void NoteSwitch(bool down);
  void ShowMode();

  // What the tier says while the store is down. The answer is in `reply` at once.
  void DecideWithoutStore(const Demand& demand, base::Instant now, ReserveReply* reply);
  void ReadWithoutStore(std::span<BucketSet* const> scopes, base::Instant now,
                        ReadReply* reply) const;
  void Hold(const Scopes& scopes, uint64_t id);
  void LetGo(const Scopes& scopes, uint64_t id);
  // Renews the leases of some of `renewing_`.
  void Renew();
  void StartRenewal();
  void Look();

  const RedisStoreParts parts_;
  const RedisStoreOptions options_;
  const std::string nonce_;  // makes the names of reservations unique among all replicas
  MemoryStore local_;        // counts the local shares
  // Open reservations that hold slots, by the key of the slots.
  std::unordered_map<std::string, std::set<uint64_t>> held_;
  std::vector<std::string> renewing_;  // keys whose turn comes in this round
  uint64_t renewed_up_to_ = 0;         // of the last key in renewing_
  base::Timer look_timer_;
  base::Timer renew_timer_;
  RedisConnection connection_;  // last: dies first
};

}  // namespace pingti::quota
