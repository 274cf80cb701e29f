// A MemoryStore with a clock that the test moves. Thread-safety: none.
#pragma once

#include <functional>
#include <memory>

#include "gtest/gtest.h"
#include "server/quota/memory_store.h"
#include "tests/contract/store_harness.h"

namespace pingti::quota {

class MemoryHarness final : public StoreHarness {
 public:
  QuotaStore& store() override { return store_; }
  base::Instant Now() const override { return now_; }
  void Advance(absl::Duration by) override { now_ = now_ + by; }
  void Pump(const std::function<bool()>& done) override {
    EXPECT_TRUE(done()) << "this store answers at once";
  }
  std::unique_ptr<BucketSet> Lose(std::unique_ptr<BucketSet> set) override {
    return std::make_unique<BucketSet>(set->subject(), set->limits(), set->options());
  }

 private:
  MemoryStore store_;
  // Not at the beginning of a microsecond, as real ones are not.
  base::Instant now_ = base::Instant::FromNanos(1'000'000'000'000'123);
};

inline std::unique_ptr<StoreHarness> MakeMemoryHarness() {
  return std::make_unique<MemoryHarness>();
}

}  // namespace pingti::quota
