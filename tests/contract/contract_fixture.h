// The fixture of the suite that every QuotaStore must pass (quota_store_contract.h).
#pragma once

#include <memory>
#include <optional>

#include "gtest/gtest.h"
#include "server/model/usage.h"
#include "server/quota/reservation.h"
#include "tests/contract/store_harness.h"

namespace pingti::quota {

inline constexpr absl::Duration kMicrosecond = absl::Microseconds(1);

inline config::ClassLimits PerMinute(std::optional<config::Limit> requests,
                                     std::optional<config::Limit> tokens) {
  config::ClassLimits limits;
  limits.requests_per_minute = requests;
  limits.tokens_per_minute = tokens;
  return limits;
}

inline model::Usage Used(int64_t input, int64_t output, bool lower_bound = false) {
  model::Usage usage;
  usage.input_tokens = input;
  usage.output_tokens = output;
  usage.source = model::UsageSource::kMeasured;
  usage.lower_bound = lower_bound;
  return usage;
}

class QuotaStoreContract : public ::testing::TestWithParam<MakeHarness> {
 protected:
  static bool Granted(const ReserveReply& reply) {
    return reply.state == ReserveReply::State::kGranted;
  }
  ReserveReply Reserve(BucketSet& set, int64_t tokens) {
    return harness_->Reserve(DemandOf(tokens, set));
  }
  bool Admits(BucketSet& set, int64_t tokens) { return Granted(Reserve(set, tokens)); }
  Refusal Refuse(const Demand& demand) {
    const ReserveReply reply = harness_->Reserve(demand);
    EXPECT_FALSE(Granted(reply));
    EXPECT_TRUE(reply.refusal.has_value());
    return reply.refusal.value_or(Refusal());
  }
  Refusal Refuse(BucketSet& set, int64_t tokens) { return Refuse(DemandOf(tokens, set)); }
  // A reservation that the test settles itself.
  Reservation Hold(const Demand& demand) {
    const ReserveReply reply = harness_->Reserve(demand);
    EXPECT_TRUE(Granted(reply));
    if (!Granted(reply)) return Reservation();
    return Reservation(harness_->store(), demand, reply, clock_, dropped_);
  }
  Reservation Hold(BucketSet& set, int64_t tokens) { return Hold(DemandOf(tokens, set)); }
  void Correct(BucketSet& set, Dimension dimension, int64_t remaining,
               absl::Duration not_before = absl::ZeroDuration()) {
    harness_->store().Correct(set, dimension, remaining, not_before, harness_->Now());
  }
  // `set` after a reload of the configuration, in which it has these limits.
  std::unique_ptr<BucketSet> Reload(std::unique_ptr<BucketSet> set,
                                    const config::ClassLimits& limits) {
    auto heir = std::make_unique<BucketSet>(set->subject(), limits, set->options());
    heir->Adopt(*set, harness_->Now());
    return heir;
  }
  // -1'000'000: not limited.
  int64_t Left(BucketSet& set, Dimension dimension) {
    const auto state = harness_->Read(set).states[0][static_cast<int>(dimension)];
    return state ? state->remaining : -1'000'000;
  }
  int64_t Requests(BucketSet& set) { return Left(set, Dimension::kRequestsPerMinute); }
  int64_t Tokens(BucketSet& set) { return Left(set, Dimension::kTokensPerMinute); }
  void Advance(absl::Duration by) { harness_->Advance(by); }

  const std::unique_ptr<StoreHarness> harness_ = GetParam()();
  const HarnessClock clock_{*harness_};
  telemetry::Counter dropped_;
};

}  // namespace pingti::quota
