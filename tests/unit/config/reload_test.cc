#include "server/config/reload.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pingti::config {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Redis SomeRedis() {
  Redis redis;
  redis.address = "h:1";
  redis.password = Secret("p");
  return redis;
}

TEST(KeepWhatTakesARestartTest, NothingWhereNothingHasChanged) {
  Config running;
  running.quota.redis = SomeRedis();
  Config next = running;
  EXPECT_THAT(KeepWhatTakesARestart(running, &next), IsEmpty());
}

TEST(KeepWhatTakesARestartTest, NamesEachSettingAndPutsItBack) {
  Config running;
  running.server.workers = 2;
  Config next;
  next.listen.grpc = "h:1";
  next.listen.metrics = "h:2";
  Server& server = next.server;
  server.workers = 3;
  server.message_bytes_max += 1;
  server.metadata_bytes_max += 1;
  server.concurrent_streams_max += 1;
  server.memory_quota_bytes += 1;
  server.keepalive_time *= 2;
  server.keepalive_timeout *= 2;
  server.ping_interval_min *= 2;
  server.connection_age *= 2;
  server.connection_age_grace *= 2;
  server.reflection = true;
  server.calls_in_flight_max += 1;
  server.overload_delay += absl::Seconds(1);
  server.memory_low_watermark += 1;
  server.memory_high_watermark += 1;
  next.quota.redis = SomeRedis();
  next.features = {.quota = false, .metrics = false, .access_record = false};
  EXPECT_THAT(
      KeepWhatTakesARestart(running, &next),
      ElementsAre("listen.grpc", "listen.metrics", "server.workers", "server.message_bytes_max",
                  "server.metadata_bytes_max", "server.concurrent_streams_max",
                  "server.memory_quota_bytes", "server.keepalive_time", "server.keepalive_timeout",
                  "server.ping_interval_min", "server.connection_age",
                  "server.connection_age_grace", "server.reflection", "server.calls_in_flight_max",
                  "server.overload_delay", "server.memory_low_watermark",
                  "server.memory_high_watermark", "quota.redis", "features.quota",
                  "features.metrics", "features.access_record"));
  EXPECT_EQ(next.server.workers, 2);
  EXPECT_EQ(next.listen.grpc, running.listen.grpc);
  EXPECT_FALSE(next.quota.redis);
  EXPECT_TRUE(next.features.quota);
  // Nothing is left to keep.
  EXPECT_THAT(KeepWhatTakesARestart(running, &next), IsEmpty());
}

TEST(KeepWhatTakesARestartTest, EveryPartOfTheStoreCounts) {
  Config running;
  running.quota.redis = SomeRedis();
  void (*const changes[])(Redis&) = {
      [](Redis& redis) { redis.address = "h:2"; },
      [](Redis& redis) { redis.username = "u"; },
      [](Redis& redis) { redis.password = Secret("q"); },
      [](Redis& redis) { redis.database = 1; },
      [](Redis& redis) { redis.timeout *= 2; },
      [](Redis& redis) { redis.slot_lease *= 2; },
      [](Redis& redis) { redis.prefix = "x"; },
  };
  for (const auto change : changes) {
    Config next = running;
    change(*next.quota.redis);
    EXPECT_THAT(KeepWhatTakesARestart(running, &next), ElementsAre("quota.redis"));
    EXPECT_THAT(KeepWhatTakesARestart(running, &next), IsEmpty());
  }
  Config off;
  EXPECT_THAT(KeepWhatTakesARestart(running, &off), ElementsAre("quota.redis"));
  ASSERT_TRUE(off.quota.redis);
  EXPECT_EQ(off.quota.redis->password.Reveal(), "p");
}

TEST(KeepWhatTakesARestartTest, TheRestIsTaken) {
  Config running;
  Config next;
  next.server.drain_grace *= 2;
  next.server.drain_delay = absl::Seconds(1);
  next.quota.replicas = 7;
  next.quota.waiting_max = 8;
  next.limits.image_bytes_max = 9;
  next.estimation.sum = false;
  next.tiers.emplace_back().name = "T";
  EXPECT_THAT(KeepWhatTakesARestart(running, &next), IsEmpty());
  EXPECT_EQ(next.server.drain_grace, running.server.drain_grace * 2);
  EXPECT_EQ(next.quota.replicas, 7);
  EXPECT_EQ(next.tiers.size(), 1u);
}

}  // namespace
}  // namespace pingti::config
