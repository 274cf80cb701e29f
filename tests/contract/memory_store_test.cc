#include "server/quota/memory_store.h"

#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/contract/memory_harness.h"
#include "tests/contract/quota_store_contract.h"

namespace pingti::quota {
namespace {

INSTANTIATE_TEST_SUITE_P(Memory, QuotaStoreContract, ::testing::Values(&MakeMemoryHarness));

const base::Instant kNow = base::Instant::FromNanos(1'000'000'000'000);

// Each worker has a store of its own, and all of them the same sets.
TEST(MemoryStoreTest, OfFiftyThreadsExactlyTwentyGetFiveOfAHundred) {
  for (int round = 0; round < 20; ++round) {
    BucketSet tenant("tenant", PerMinute({}, 1'000'000));
    BucketSet key("key", PerMinute({}, 100));
    std::atomic<bool> go = false;
    std::atomic<int> granted = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 50; ++t) {
      threads.emplace_back([&] {
        MemoryStore store;
        ReserveReply reply;
        base::Signal signal;
        go.wait(false);
        store.Reserve(DemandOf(5, tenant, &key), kNow, &reply, &signal);
        if (reply.state == ReserveReply::State::kGranted) ++granted;
      });
    }
    go = true;
    go.notify_all();
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(granted, 20);
    ASSERT_EQ(key.Read(Dimension::kTokensPerMinute, kNow)->remaining, 0);
    ASSERT_EQ(tenant.Read(Dimension::kTokensPerMinute, kNow)->remaining, 1'000'000 - 100);
  }
}

TEST(MemoryStoreTest, ManyThreadsNeverGetMoreThanAnyLimitAndLeaveNothingBehind) {
  constexpr int kThreads = 8;
  config::ClassLimits limits = PerMinute(1'000'000, 500);
  limits.calls_at_once = 3;
  limits.tokens_per_day = 1'000'000;
  BucketSet tenant("tenant", limits);
  BucketSet key("key", PerMinute({}, 400));
  std::atomic<int> at_once = 0;
  std::atomic<int> at_once_max = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      MemoryStore store;
      base::Signal signal;
      for (int i = 0; i < 3'000; ++i) {
        Change end;
        end.demand = DemandOf(100 + t, tenant, &key);
        ReserveReply reply;
        store.Reserve(end.demand, kNow, &reply, &signal);
        if (reply.state != ReserveReply::State::kGranted) continue;
        const int now_open = ++at_once;
        int seen = at_once_max;
        while (now_open > seen && !at_once_max.compare_exchange_weak(seen, now_open)) {
        }
        --at_once;
        end.id = reply.id;
        end.tokens = -end.demand.tokens;
        end.give_request_back = true;
        end.free_slot = true;
        store.Apply(end, kNow);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(at_once_max, 0);
  EXPECT_LE(at_once_max, 3);
  EXPECT_EQ(tenant.Read(Dimension::kTokensPerMinute, kNow)->remaining, 500);
  EXPECT_EQ(tenant.Read(Dimension::kTokensPerDay, kNow)->remaining, 1'000'000);
  EXPECT_EQ(tenant.Read(Dimension::kRequestsPerMinute, kNow)->remaining, 1'000'000);
  EXPECT_EQ(tenant.Read(Dimension::kCallsAtOnce, kNow)->remaining, 3);
  EXPECT_EQ(key.Read(Dimension::kTokensPerMinute, kNow)->remaining, 400);
}

TEST(MemoryStoreTest, ReservationsOfAllStoresHaveDifferentIds) {
  BucketSet set("s", PerMinute({}, 100));
  base::Signal signal;
  std::set<uint64_t> ids;
  for (int i = 0; i < 3; ++i) {
    MemoryStore store;
    for (int j = 0; j < 3; ++j) {
      ReserveReply reply;
      store.Reserve(DemandOf(1, set), kNow, &reply, &signal);
      ids.insert(reply.id);
    }
  }
  EXPECT_EQ(ids.size(), 9u);
  EXPECT_EQ(ids.count(0), 0u);
}

}  // namespace
}  // namespace pingti::quota
