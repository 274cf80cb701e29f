// A decision in memory allocates nothing. In a binary of its own, because it counts what operator
// new does.
#include <atomic>
#include <cstdlib>
#include <new>

#include "gtest/gtest.h"
#include "server/quota/memory_store.h"
#include "server/quota/reservation.h"
#include "tests/contract/store_harness.h"
#include "tests/fakes/fake_clock.h"

namespace {

std::atomic<int64_t> allocations{0};

void* Allocate(std::size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  void* memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t bytes) { return Allocate(bytes); }
void* operator new[](std::size_t bytes) { return Allocate(bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t /*bytes*/) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t /*bytes*/) noexcept { std::free(memory); }

namespace pingti::quota {
namespace {

TEST(AllocationTest, ReservingRefusingGrowingAndSettlingAllocateNothing) {
  config::ClassLimits limits;
  limits.requests_per_minute = 1'000;
  limits.tokens_per_minute = 10'000;
  limits.requests_per_day = 1'000;
  limits.tokens_per_day = 100'000;
  limits.calls_at_once = 10;
  const auto tenant = MakeSet("class:a", limits);
  const auto key = MakeSet("key:a", limits);
  MemoryStore store;
  fakes::FakeClock clock;
  telemetry::Counter dropped;
  base::Signal signal;
  model::Usage usage;
  usage.input_tokens = 700;

  const int64_t before = allocations.load();
  int granted = 0;
  for (int i = 0; i < 100; ++i) {
    const Demand demand = DemandOf(500, *tenant, key.get());
    ReserveReply reply;
    store.Reserve(demand, clock.MonotonicNow(), &reply, &signal);
    if (reply.state != ReserveReply::State::kGranted) continue;
    ++granted;
    Reservation reservation(store, demand, reply, clock, dropped);
    reservation.Grow(600, clock.MonotonicNow());
    reservation.Settle(usage, true, clock.MonotonicNow());
  }
  const int64_t during = allocations.load() - before;
  EXPECT_EQ(during, 0);
  EXPECT_EQ(granted, 14);  // 13 x 700 leave 900
  // The counter counts.
  const auto other = MakeSet("class:b", limits);
  EXPECT_GT(allocations.load() - before, 0);
}

}  // namespace
}  // namespace pingti::quota
