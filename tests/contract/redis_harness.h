// A RedisStore on a Redis that all tests of a binary share, with a clock that the test moves.
// Thread-safety: none.
#pragma once

#include <event2/event.h>

#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "server/base/clock.h"
#include "server/base/event_loop.h"
#include "server/base/random.h"
#include "server/quota/redis_store.h"
#include "server/quota/store_health.h"
#include "tests/contract/store_harness.h"
#include "tests/redis/redis_server.h"

namespace pingti::quota {

// Turns `loop` until `done`; fails the test where that takes too long.
inline void Turn(base::EventLoop& loop, const std::function<bool()>& done) {
  bool over = false;
  base::Timer limit(loop, [&over] { over = true; });
  limit.Arm(absl::Milliseconds(integration::WaitMax().count()));
  while (!done() && !over) event_base_loop(loop.base(), EVLOOP_ONCE);
  EXPECT_FALSE(over) << "it takes too long";
}

// A RedisStore with all that it needs.
class StoreOfOneWorker {
 public:
  struct Options {
    std::string address;
    std::string username;
    std::string password;
    int database = 0;
    std::string prefix = "test";
    // Long: what a busy machine does is no outage.
    absl::Duration timeout = absl::Seconds(1);
    RedisStoreOptions store;
  };

  explicit StoreOfOneWorker(const Options& options)
      : config_(ConfigOf(options)),
        own_health_(std::make_unique<StoreHealth>(options.address)),
        random_(base::NewSeededRandom()),
        store_(Parts(own_health_.get()), options.store) {
    std::signal(SIGPIPE, SIG_IGN);  // as the server does: hiredis writes to what may be closed
  }

  RedisStore& store() { return store_; }
  base::EventLoop& loop() { return loop_; }
  telemetry::StoreStats& stats() { return stats_; }
  StoreHealth& health() { return *own_health_; }
  void TurnUntil(const std::function<bool()>& done) { Turn(loop_, done); }

 private:
  static config::Redis ConfigOf(const Options& options) {
    config::Redis config;
    config.address = options.address;
    config.username = options.username;
    config.password = config::Secret(options.password);
    config.database = options.database;
    config.prefix = options.prefix;
    config.timeout = options.timeout;
    return config;
  }
  RedisStoreParts Parts(StoreHealth* health) {
    return RedisStoreParts{.loop = &loop_,
                           .clock = &base::SystemClock(),
                           .random = random_.get(),
                           .config = &config_,
                           .health = health,
                           .stats = &stats_};
  }

  base::EventLoop loop_;
  const config::Redis config_;
  const std::unique_ptr<StoreHealth> own_health_;
  const std::unique_ptr<base::Random> random_;
  telemetry::StoreStats stats_;
  RedisStore store_;
};

class RedisHarness final : public StoreHarness {
 public:
  RedisHarness() : worker_(OptionsOf(this)) { redis().Ask({"FLUSHALL"}); }

  static testing_redis::RedisServer& redis() {
    static testing_redis::RedisServer server;
    return server;
  }

  QuotaStore& store() override { return worker_.store(); }
  base::Instant Now() const override { return now_; }
  void Advance(absl::Duration by) override { now_ = now_ + by; }
  void Pump(const std::function<bool()>& done) override { worker_.TurnUntil(done); }
  std::unique_ptr<BucketSet> Lose(std::unique_ptr<BucketSet> set) override {
    Read(*set);  // all that was sent before has arrived
    redis().Ask({"FLUSHALL"});
    return set;
  }
  StoreOfOneWorker& worker() { return worker_; }

 private:
  static StoreOfOneWorker::Options OptionsOf(RedisHarness* harness) {
    StoreOfOneWorker::Options options;
    options.address = redis().address();
    // The clock jumps over hours, and nobody renews in between.
    options.store.lease = absl::Hours(24 * 365);
    options.store.clock_for_tests = [harness] { return harness->now_.micros(); };
    return options;
  }

  // Not at the beginning of a microsecond, as real ones are not.
  base::Instant now_ = base::Instant::FromNanos(1'000'000'000'000'123);
  StoreOfOneWorker worker_;
};

inline std::unique_ptr<StoreHarness> MakeRedisHarness() { return std::make_unique<RedisHarness>(); }

}  // namespace pingti::quota
